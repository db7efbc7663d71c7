//! wget: whole files, one resumed where it broke off, and a look without a download.

use std::fs;
use std::process::Output;

use crate::table::{Table, mac};
use crate::tools::{inside_with, program, run, text};

const IMAGE: &str = "http://192.168.151.1/images/kxp2_master.img";

fn wget(table: &Table, words: &[&str]) -> Output {
    run(program(table, "wget").args(["--no-verbose", "--no-proxy", "--tries=1", "--timeout=30"]).args(words))
}

#[test]
fn an_image_comes_whole_and_is_resumed_where_it_broke_off() {
    if !inside_with(&["wget"], "wget::an_image_comes_whole_and_is_resumed_where_it_broke_off") {
        return;
    }
    let table = Table::serving("", "");
    let _port = table.plug_at(mac(1), 20);
    let image = fs::read(table.path("data/images/kxp2_master.img")).expect("the image");
    let got = || fs::read(table.path("got.img")).expect("what came");
    let output = wget(&table, &["--output-document=got.img", IMAGE]);
    assert!(output.status.success() && got() == image, "{}", text(&output));

    fs::write(table.path("kxp2_master.img"), &image[..1_234_567]).expect("a part");
    let output = wget(&table, &["--continue", "--server-response", IMAGE]);
    assert!(text(&output).contains("206 Partial Content"), "only what is missing: {}", text(&output));
    assert!(fs::read(table.path("kxp2_master.img")).is_ok_and(|bytes| bytes == image), "{}", text(&output));
    // There is nothing left to get: 416, which wget takes for what it is.
    let output = wget(&table, &["--continue", "--server-response", IMAGE]);
    assert!(output.status.success() && text(&output).contains("416"), "{}", text(&output));

    let output = wget(&table, &["--spider", "--server-response", IMAGE]);
    let length = format!("Content-Length: {}", image.len());
    assert!(output.status.success() && text(&output).contains(&length), "{}", text(&output));
    let output = wget(&table, &["--spider", "http://192.168.151.1/images/nothing.img"]);
    assert_eq!(output.status.code(), Some(8), "the server said no: {}", text(&output));
}
