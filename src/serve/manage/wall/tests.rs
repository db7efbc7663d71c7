use super::{left, rate};

#[test]
fn rates_and_times_read_as_one_would_say_them() {
    let rates = [0, 1, 99_999, 100_000, 12_345_678, 2_900_000_000].map(rate);
    assert_eq!(rates, ["", "1 kB/s", "100 kB/s", "0.1 MB/s", "12.3 MB/s", "2900 MB/s"]);
    let times = [0, 59, 60, 3599, 3600, 90_061].map(left);
    assert_eq!(times, ["0 s left", "59 s left", "1 min left", "60 min left", "1 h 0 min left", "25 h 1 min left"]);
}
