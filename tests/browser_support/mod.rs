//! A real browser that pages are tested in: Chromium without a window, driven by the DevTools protocol over two pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A browser with one page.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    session: Option<String>,
    /// What the page complained of.
    pub complaints: Vec<String>,
}

impl Browser {
    /// `CHREODE_CHROMIUM`, else chromium, with a profile in `folder`; where there is none that is said on stderr, and is a failure
    /// in CI.
    pub fn start(folder: &Path) -> Option<Self> {
        let name = std::env::var("CHREODE_CHROMIUM").unwrap_or_else(|_| "chromium".into());
        let tried = Command::new(&name).arg("--version").output();
        if !tried.is_ok_and(|output| output.status.success()) {
            let told = format!("there is no browser `{name}` to run this test");
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{told}");
            eprintln!("SKIPPED: {told}");
            return None;
        }
        // The protocol is spoken on the descriptors 3 and 4, which a shell makes of standard input and output.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null", &name])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", folder.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut browser = Self { process, to, from, calls: 0, session: None, complaints: vec![] };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().into());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Says something to the browser; its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.to.flush().unwrap();
        loop {
            let heard = self.hear();
            if heard["id"].as_u64() == Some(id) {
                assert!(heard["error"].is_null(), "{method}: {heard}");
                return heard["result"].clone();
            }
        }
    }

    /// The next thing that the browser says.
    fn hear(&mut self) -> Value {
        let mut bytes = vec![];
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser has ended");
        let heard: Value = serde_json::from_slice(&bytes).unwrap();
        let is_complaint = match heard["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => heard["params"]["entry"]["level"] == "error",
            Some("Runtime.consoleAPICalled") => heard["params"]["type"] == "error",
            _ => false,
        };
        if is_complaint {
            self.complaints.push(heard["params"].to_string());
        }
        heard
    }

    /// Opens a file, in a window of that width, and waits until it is there.
    pub fn open(&mut self, page: &Path, width: u32) {
        let window = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", window);
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        while self.hear()["method"] != "Page.loadEventFired" {}
    }

    /// The value of a JavaScript expression in the page, which may be a promise.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses a key, as a person does.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that fails leaves none behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
