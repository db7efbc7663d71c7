use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

#[test]
fn lines_are_kept_with_their_fields_and_bounded() {
    let subscriber = tracing_subscriber::registry().with(Tail);
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(address = %"10.0.0.1", "two stations use one address");
        tracing::info!(long = "ä".repeat(5000), "ends somewhere");
    });
    let lines = lines(Level::Warn, 10);
    assert!(lines.iter().any(|line| line.text == "two stations use one address address=10.0.0.1"), "{lines:?}");
    let all = super::lines(Level::Debug, LINES_MAX);
    assert!(all.iter().all(|line| line.text.len() <= TEXT_MAX));
    assert!(all.iter().any(|line| line.text.starts_with("ends somewhere long=\"ää")), "{all:?}");
    let mut kept = VecDeque::new();
    for n in 0..LINES_MAX as i64 * 2 {
        keep(&mut kept, Line { at: Timestamp::from_millis(n), level: Level::Info, text: String::new() });
    }
    assert_eq!((kept.len(), kept[0].at.millis()), (LINES_MAX, LINES_MAX as i64));
}
