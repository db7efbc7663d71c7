use super::*;

const PHRASE: &str = "pit lane umbrella";

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut writer = Sealed::new(Vec::new(), PHRASE).expect("memory");
    writer.write_all(plain).expect("memory");
    writer.finish().expect("memory")
}

fn opened(bytes: &[u8], passphrase: &str) -> Result<Vec<u8>, SealError> {
    let mut plain = Vec::new();
    Opened::new(bytes, passphrase)?.read_to_end(&mut plain)?;
    Ok(plain)
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 % 251) as u8).collect()
}

#[test]
fn what_was_sealed_comes_out_with_the_passphrase_and_with_no_other() {
    for length in [0, 1, CHUNK, 2 * CHUNK + 1] {
        let bytes = sealed(&plain(length));
        assert_eq!(opened(&bytes, PHRASE).expect("the right one"), plain(length), "{length}");
        let chunks = length.div_ceil(CHUNK).max(1);
        assert_eq!(bytes.len(), HEAD + TAG + length + chunks * TAG);
    }
    let bytes = sealed(b"names");
    assert!(matches!(opened(&bytes, "pit lane umbrellA"), Err(SealError::WrongPassphrase)));
    assert!(!bytes.windows(5).any(|window| window == b"names"));
    assert_ne!(sealed(b"names")[HEAD + TAG..], bytes[HEAD + TAG..], "each file has a key of its own");
}

#[test]
fn what_was_cut_or_changed_is_seen() {
    let bytes = sealed(&plain(2 * CHUNK + 10));
    let whole = CHUNK + TAG;
    let body = HEAD + TAG;
    // In the head, in and between the chunks.
    for end in [0, 20, body, body + 5, body + whole, body + 2 * whole, bytes.len() - 1] {
        assert!(opened(&bytes[..end], PHRASE).is_err(), "cut at {end}");
    }
    for at in [3, 20, 40, body - 1, body + 7, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(opened(&changed, PHRASE).is_err(), "changed at {at}");
    }
    let mut exchanged = bytes[..body].to_vec();
    exchanged.extend(&bytes[body + whole..body + 2 * whole]);
    exchanged.extend(&bytes[body..body + whole]);
    exchanged.extend(&bytes[body + 2 * whole..]);
    assert!(matches!(opened(&exchanged, PHRASE), Err(SealError::Io(_))));
    let mut longer = bytes.clone();
    longer.extend(plain(40));
    assert!(opened(&longer, PHRASE).is_err());
}

#[test]
fn a_file_cannot_ask_for_all_memory() {
    let mut bytes = sealed(b"");
    bytes[MAGIC.len()] = 0xff;
    assert!(matches!(opened(&bytes, PHRASE), Err(SealError::Cost)));
}
