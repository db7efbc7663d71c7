//! Somebody who uploads images in pieces, one after another, while the server dies under his hands.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use fastrand::Rng;
use hatchery::ids::hex;
use hatchery::load::bench::PRODUCT;
use hatchery::serve::control::{self, Reply, Request};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const SIZE_MAX: usize = 1 << 20;
const PIECE_MAX: usize = 128 << 10;

/// An image on its way.
struct Upload {
    file: String,
    bytes: Vec<u8>,
    sha256: String,
    step: Step,
    /// The last word got no answer.
    in_doubt: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    /// So many bytes of it were acknowledged.
    Pieces(String, usize),
    /// It was acknowledged as an image.
    Image,
}

/// Who sends it.
pub struct Uploader {
    pages: SocketAddr,
    socket: PathBuf,
    images: PathBuf,
    token: String,
    rng: Rng,
    count: u32,
    upload: Option<Upload>,
    pub acknowledged: u64,
    pub images_made: u64,
}

impl Uploader {
    pub fn new(pages: SocketAddr, socket: PathBuf, images: PathBuf, token: String, seed: u64) -> Uploader {
        let rng = Rng::with_seed(seed);
        Uploader { pages, socket, images, token, rng, count: 0, upload: None, acknowledged: 0, images_made: 0 }
    }

    pub fn is_in_doubt(&self) -> bool {
        self.upload.as_ref().is_some_and(|upload| upload.in_doubt)
    }

    /// Goes one step on.
    pub fn act(&mut self) {
        let upload = self.upload.take().unwrap_or_else(|| self.next());
        self.upload = match upload.step.clone() {
            Step::Begin => self.begin(upload),
            Step::Pieces(id, offset) => self.send(upload, &id, offset),
            Step::Image => self.remove(upload),
        };
    }

    fn next(&mut self) -> Upload {
        self.count += 1;
        let mut bytes = vec![0; self.rng.usize(1..SIZE_MAX)];
        self.rng.fill(&mut bytes);
        let sha256 = hex(&Sha256::digest(&bytes));
        Upload { file: format!("sent-{}.img", self.count), bytes, sha256, step: Step::Begin, in_doubt: false }
    }

    fn begin(&mut self, upload: Upload) -> Option<Upload> {
        let wish = json!({
            "file": upload.file, "product_type": PRODUCT, "size": upload.bytes.len(), "sha256": upload.sha256,
            "version": upload.file,
        });
        match self.json("POST", "/api/v1/uploads", None, wish.to_string().as_bytes()) {
            Ok((201, begun)) => {
                self.acknowledged += 1;
                let id = begun["id"].as_str().expect("an id").to_owned();
                Some(Upload { step: Step::Pieces(id, 0), ..upload })
            }
            Ok((code, said)) => panic!("{code} to the beginning of {}: {said}", upload.file),
            Err(_) => Some(Upload { in_doubt: true, ..upload }),
        }
    }

    fn send(&mut self, upload: Upload, id: &str, offset: usize) -> Option<Upload> {
        let end = (offset + self.rng.usize(1..PIECE_MAX)).min(upload.bytes.len());
        let piece = &upload.bytes[offset..end];
        match self.json("PATCH", &format!("/api/v1/uploads/{id}"), Some(offset), piece) {
            Ok((200 | 202, state)) => {
                self.acknowledged += 1;
                let step = match state["state"].as_str() {
                    Some("receiving") => Step::Pieces(id.to_owned(), end),
                    Some("done") => Step::Image,
                    _ => panic!("{}: {state}", upload.file),
                };
                Some(Upload { step, ..upload })
            }
            Ok((code, said)) => panic!("{code} to a piece of {} from {offset}: {said}", upload.file),
            Err(_) => Some(Upload { in_doubt: true, ..upload }),
        }
    }

    fn remove(&mut self, upload: Upload) -> Option<Upload> {
        let request = Request::ImageRemove { product: PRODUCT.into(), image: upload.file.clone() };
        match control::ask(&self.socket, &request) {
            Ok(Reply::Ok(_)) => {
                self.acknowledged += 1;
                self.images_made += 1;
                None
            }
            Ok(other) => panic!("{} was not removed: {other:?}", upload.file),
            Err(_) => Some(Upload { in_doubt: true, ..upload }),
        }
    }

    /// Holds what was acknowledged against the journal of the server that was killed.
    pub fn compare(&self, images: &BTreeMap<String, String>) {
        for (file, sha256) in images.iter().filter(|(file, _)| file.starts_with("sent-")) {
            let own = self.upload.as_ref().filter(|upload| upload.file == *file);
            let own = own.unwrap_or_else(|| panic!("{file} was removed, and is on the books"));
            assert_eq!(own.sha256, *sha256, "{file}");
            assert_ne!(own.step, Step::Begin, "{file} is an image before a byte of it was sent");
        }
        let Some(upload) = self.upload.as_ref().filter(|upload| upload.step == Step::Image && !upload.in_doubt) else {
            return;
        };
        assert_eq!(images.get(&upload.file), Some(&upload.sha256), "the image {}", upload.file);
        let kept = std::fs::read(self.images.join(&upload.file));
        assert!(kept.is_ok_and(|kept| kept == upload.bytes), "the bytes of {}", upload.file);
    }

    /// Asks the next server how the upload stands: no acknowledged byte is lost, none is there that was never sent.
    pub fn ask_again(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        let (_, list) = self.json("GET", "/api/v1/uploads", None, b"").expect("a server that runs");
        let open: Vec<Value> = list["items"].as_array().expect("uploads").clone();
        assert!(open.len() <= 1, "one upload is under way: {open:?}");
        let doubt = std::mem::take(&mut upload.in_doubt);
        upload.step = match (upload.step.clone(), open.first()) {
            (Step::Begin, None) => Step::Begin,
            (Step::Begin, Some(open)) => {
                assert!(doubt, "an upload that nobody began: {open}");
                assert_eq!((&open["file"], &open["offset"]), (&json!(upload.file), &json!(0)), "{open}");
                Step::Pieces(open["id"].as_str().expect("an id").to_owned(), 0)
            }
            (Step::Pieces(id, offset), Some(open)) => {
                let known = (open["id"].as_str(), open["file"].as_str());
                assert_eq!(known, (Some(&*id), Some(&*upload.file)), "{open}");
                let there = open["offset"].as_u64().expect("an offset") as usize;
                assert!(there >= offset, "{offset} bytes of {} were acknowledged: {open}", upload.file);
                assert!(doubt || there == offset, "{offset} bytes of {} were sent: {open}", upload.file);
                if there == upload.bytes.len() { self.settled(&upload, &id) } else { Step::Pieces(id, there) }
            }
            (Step::Pieces(id, _), None) => self.settled(&upload, &id),
            (Step::Image, open) => {
                assert!(open.is_none(), "{} is an image, and on its way: {open:?}", upload.file);
                if doubt && !self.is_image(&upload) {
                    self.images_made += 1;
                    return;
                }
                assert!(self.is_image(&upload), "{} is lost", upload.file);
                Step::Image
            }
        };
        self.upload = Some(upload);
    }

    /// All of its bytes are there, as far as anybody knows: soon it is an image.
    fn settled(&self, upload: &Upload, id: &str) -> Step {
        let is_there = crate::inside::until(Duration::from_secs(20), || self.is_image(upload).then_some(()));
        let state = self.json("GET", &format!("/api/v1/uploads/{id}"), None, b"");
        assert!(is_there.is_some(), "{} came as a whole, and is no image: {state:?}", upload.file);
        Step::Image
    }

    fn is_image(&self, upload: &Upload) -> bool {
        let (_, list) = self.json("GET", "/api/v1/images?limit=1000", None, b"").expect("a server that runs");
        let rows: Vec<&Value> =
            list["items"].as_array().expect("images").iter().filter(|row| row["file"] == upload.file).collect();
        assert!(rows.len() <= 1, "{} is listed twice", upload.file);
        rows.first().is_some_and(|row| row["sha256"] == upload.sha256)
    }

    fn json(&self, method: &str, path: &str, offset: Option<usize>, body: &[u8]) -> io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(self.pages)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let offset = offset.map(|offset| format!("Upload-Offset: {offset}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{offset}Connection: close\r\n\r\n",
            self.pages,
            self.token,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        // Cut off in the middle it is no answer.
        let body = serde_json::from_str(body).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        Ok((code, body))
    }
}
