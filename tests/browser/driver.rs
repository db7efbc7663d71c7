//! A browser: Debian's Chromium without a window, driven through chromedriver by the WebDriver protocol (W3C), which is
//! JSON over HTTP.
//!
//! Owns both processes and the browser's files; all of it goes with the test. What is not there in time ends the test with
//! what the page shows instead.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::inside::until;

/// How long anything may take to be seen.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// By which an element is known in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The flags of the browser; without a sandbox because root has none, and nothing that it asks its maker for.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser with one page open.
pub struct Browser {
    driver: Child,
    agent: Agent,
    /// `http://127.0.0.1:PORT/session/ID`.
    session: String,
    /// The browser's own process, if it said so.
    process: Option<i32>,
    downloads: TempDir,
    _profile: TempDir,
}

/// An element of the page.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Browser {
    /// Starts one; nothing, said loudly, where there is none.
    pub fn start() -> Option<Browser> {
        let spawned = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = spawned else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have chromium and chromium-driver");
            eprintln!("SKIPPED: there is no browser here; apt-get install chromium chromium-driver");
            return None;
        };
        let mut said = BufReader::new(driver.stdout.take().expect("piped"));
        let port = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).expect("text") > 0, "chromedriver ended before it was ready");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim().trim_end_matches('.').to_owned();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let directory = || tempfile::tempdir().expect("a directory");
        let (profile, downloads) = (directory(), directory());
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "args": flags,
                "prefs": {"download.default_directory": downloads.path(), "download.prompt_for_download": false},
            },
        }}});
        let agent: Agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(2 * PATIENCE)).build().into();
        let mut browser = Browser {
            driver,
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            process: None,
            downloads,
            _profile: profile,
        };
        let begun = browser.post("", &wanted);
        let id = begun["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {begun}")).to_owned();
        browser.session += &format!("/{id}");
        let process = begun["capabilities"]["goog:processID"].as_i64();
        browser.process = process.and_then(|id| i32::try_from(id).ok());
        browser.size(1366, 768, 1.0);
        Some(browser)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let sent = self.agent.post(&url).content_type("application/json").send(body.to_string());
        read(path, sent)
    }

    fn get(&self, path: &str) -> Value {
        read(path, self.agent.get(format!("{}{path}", self.session)).call())
    }

    /// Opens a page and waits until it is loaded.
    pub fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// The path and query of the page that is open.
    pub fn place(&self) -> String {
        let place = self.run("return location.pathname + location.search");
        place.as_str().expect("a path").to_owned()
    }

    /// Runs a script in the page.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs a script that calls its last argument when it is done.
    pub fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// A command of the browser's own protocol.
    pub fn command(&self, name: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": name, "params": parameters}))
    }

    /// The window in CSS pixels, and how many of its own a device has for one of them.
    pub fn size(&self, width: u32, height: u32, scale: f64) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// What the user likes: `light` or `dark`.
    pub fn scheme(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", media);
    }

    /// All that matches, whether it can be seen or not.
    pub fn all(&self, xpath: &str) -> Vec<Element> {
        let found = self.post("/elements", &json!({"using": "xpath", "value": xpath}));
        let found = found.as_array().unwrap_or_else(|| panic!("{xpath}: {found}")).iter();
        found.filter_map(|each| Some(Element(each[ELEMENT].as_str()?.to_owned()))).collect()
    }

    /// The first that matches and can be seen; waits for it.
    pub fn find(&self, xpath: &str) -> Element {
        let seen = || self.all(xpath).into_iter().find(|each| self.is_seen(each));
        until(PATIENCE, seen).unwrap_or_else(|| panic!("{xpath} is not on the page:\n{}", self.describe()))
    }

    fn is_seen(&self, element: &Element) -> bool {
        self.get(&format!("/element/{}/displayed", element.0)) == json!(true)
    }

    /// The field with this label, in a form that changes something.
    pub fn field(&self, label: &str) -> Element {
        let labels = format!("//form[@method='post']//label[normalize-space(.)='{label}']");
        self.find(&format!("//*[@id={labels}/@for] | {labels}//input"))
    }

    /// Fills the field with this label; what stood there goes. A list takes the choice that begins so.
    pub fn fill(&self, label: &str, text: &str) {
        let field = self.field(label);
        if self.get(&format!("/element/{}/name", field.0)) == json!("select") {
            let script = "const [field, text] = arguments; const there = [...field.options].map((one) => one.text.trim()); \
                          if (there.includes(text)) return null; return there.join(', ')";
            let missing = self.post("/execute/sync", &json!({"script": script, "args": [{ELEMENT: field.0}, text]}));
            assert!(missing.is_null(), "{label} has no choice {text}, but {missing}");
            return self.keys(&field, text);
        }
        self.post(&format!("/element/{}/clear", field.0), &json!({}));
        self.keys(&field, text);
    }

    /// Chooses a file in the field with this label.
    pub fn choose(&self, label: &str, path: &Path) {
        let field = self.field(label);
        self.keys(&field, path.to_str().expect("a path of text"));
    }

    /// Ticks the box with this label.
    pub fn tick(&self, label: &str) {
        let field = self.field(label);
        self.post(&format!("/element/{}/click", field.0), &json!({}));
    }

    /// What stands in the field with this label.
    pub fn value(&self, label: &str) -> String {
        let field = self.field(label);
        self.get(&format!("/element/{}/property/value", field.0)).as_str().unwrap_or_default().to_owned()
    }

    fn keys(&self, element: &Element, text: &str) {
        self.post(&format!("/element/{}/value", element.0), &json!({"text": text}));
    }

    /// Presses the button or the link with this text, as a finger would.
    pub fn press(&self, text: &str) {
        let is = format!("normalize-space(.)='{text}' or @aria-label='{text}' or @value='{text}'");
        self.press_at(&format!("//button[{is}] | //a[{is}] | //summary[{is}] | //input[@type='submit'][{is}]"));
    }

    /// Presses the first that matches and can be seen.
    pub fn press_at(&self, xpath: &str) {
        let element = self.find(xpath);
        self.post(&format!("/element/{}/click", element.0), &json!({}));
    }

    /// What the page shows, with one space wherever there is any.
    pub fn text(&self) -> String {
        let text = self.run("return document.body.innerText");
        text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Waits until the page shows this.
    pub fn shows(&self, text: &str) {
        self.sees(&format!("{text:?}"), || self.text().contains(text).then_some(()));
    }

    /// Waits until there is something to see.
    pub fn sees<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        until(PATIENCE, look).unwrap_or_else(|| panic!("{what} is not to be seen:\n{}", self.describe()))
    }

    /// What went wrong in the page since it was asked last.
    pub fn errors(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let lines = log.as_array().unwrap_or_else(|| panic!("no log: {log}")).iter();
        let bad = lines.filter(|line| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING")));
        bad.filter_map(|line| line["message"].as_str().map(str::to_owned)).collect()
    }

    /// Writes a picture of the whole page to `target/screenshots`.
    pub fn picture(&self, name: &str) {
        let shot = self.command("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        let bytes = decode_base64(shot["data"].as_str().unwrap_or_default());
        let directory = target().join("screenshots");
        fs::create_dir_all(&directory).expect("a directory in target");
        let mut file = fs::File::create(directory.join(format!("{name}.png"))).expect("a file in target");
        file.write_all(&bytes).expect("a picture");
    }

    /// A file that was downloaded, once it is whole.
    pub fn download(&self) -> (String, String) {
        let whole = || {
            let entry = fs::read_dir(self.downloads.path()).ok()?.find_map(|entry| {
                let path = entry.ok()?.path();
                // While it comes it has a hidden or a longer name.
                let name = path.file_name()?.to_str()?;
                (!name.starts_with('.') && !name.ends_with(".crdownload")).then_some(path)
            })?;
            let text = fs::read_to_string(&entry).ok()?;
            let name = entry.file_name()?.to_string_lossy().into_owned();
            fs::remove_file(entry).ok();
            Some((name, text))
        };
        self.sees("a download", whole)
    }

    fn describe(&self) -> String {
        self.picture("not-seen");
        format!("{}\n{}\n{:?}", self.place(), self.text(), self.errors())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own way out first, which takes its children along.
        let _ = self.agent.delete(&self.session).call();
        self.driver.kill().ok();
        self.driver.wait().ok();
        if let Some(process) = self.process {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL).ok();
        }
    }
}

/// The target directory.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target").to_owned()
}

/// The value of an answer; anything else ends the test.
fn read(path: &str, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
    let mut answer = sent.unwrap_or_else(|error| panic!("chromedriver, {path}: {error}"));
    let mut text = String::new();
    answer.body_mut().as_reader().read_to_string(&mut text).expect("an answer of chromedriver");
    let mut answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
    let value = answer["value"].take();
    // What has just gone from a live page is found anew by who asks.
    let gone = value["error"] == json!("stale element reference");
    assert!(gone || value.get("error").is_none(), "{path}: {}", value["message"]);
    value
}

/// RFC 4648, section 4.
fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len() / 4 * 3));
    for letter in text.bytes().take_while(|letter| *letter != b'=') {
        let value = ALPHABET.iter().position(|one| *one == letter).expect("a letter of base64");
        bits = (bits << 6) | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
