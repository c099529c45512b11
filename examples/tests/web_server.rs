//! The web server: files, what it refuses, its patience, its end.

#[macro_use]
mod common;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{DEADLINE, Program, connect, is_installed, run, wait_until};
use nix::sys::signal::Signal;

const SERVER: &str = example!("web-server");
/// More than the buffers of two sockets hold.
const BIG: usize = 16 * 1024 * 1024;

/// A folder of its own for each test, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("web-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let folder = Self(path);
        folder.file("site/hello.txt", "hello\n");
        folder.file("site/page.html", "<p>hi</p>");
        folder.file("site/sub/index.html", "the index");
        folder.file("site/list/a b&<c>.txt", "odd");
        folder.file("site/.hidden", "secret");
        folder.file("outside.txt", "secret");
        symlink("hello.txt", folder.0.join("site/inside")).unwrap();
        symlink("../outside.txt", folder.0.join("site/leads-out")).unwrap();
        symlink("..", folder.0.join("site/up")).unwrap();
        folder
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn big(&self) -> Vec<u8> {
        let content: Vec<u8> = (0..BIG / 8).flat_map(|n: usize| (n as u64).to_le_bytes()).collect();
        self.file("site/big.bin", &content);
        content
    }

    fn server(&self) -> (Program, SocketAddr) {
        Program::listening(Command::new(SERVER).arg("127.0.0.1:0").arg(self.0.join("site")))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A response: its status, its headers, its body.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn read(reader: &mut impl BufRead, has_body: bool) -> Self {
        let line = common::read_line(reader);
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        let headers: Vec<_> = std::iter::from_fn(|| {
            let line = common::read_line(reader);
            line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body.resize(if has_body { length } else { 0 }, 0);
        reader.read_exact(&mut answer.body).unwrap();
        answer
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// Asks on a connection of its own, to the end of that.
fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> (Answer, usize) {
    let mut stream = connect(address);
    stream.write_all(request.as_ref()).unwrap();
    let mut reader = BufReader::new(stream);
    let has_body = !request.as_ref().starts_with(b"HEAD");
    let answer = Answer::read(&mut reader, has_body);
    (answer, reader.read_to_end(&mut Vec::new()).unwrap())
}

fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n")
}

fn get(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let (answer, rest) = ask(address, request("GET", path, headers));
    assert_eq!((answer.header("connection"), rest), (Some("close"), 0));
    answer
}

#[test]
fn files_and_folders() {
    let folder = Folder::new("files");
    let (server, address) = folder.server();
    for (path, content_type, body) in [
        ("/hello.txt", "text/plain; charset=utf-8", "hello\n"),
        ("//hello.txt?query", "text/plain; charset=utf-8", "hello\n"),
        ("/%68ello.txt", "text/plain; charset=utf-8", "hello\n"),
        ("http://localhost/page.html", "text/html; charset=utf-8", "<p>hi</p>"),
        ("/inside", "text/plain; charset=utf-8", "hello\n"),
        ("/sub/", "text/html; charset=utf-8", "the index"),
        ("/list/a%20b%26%3Cc%3E.txt", "text/plain; charset=utf-8", "odd"),
    ] {
        let answer = get(address, path, "");
        assert_eq!((answer.status, answer.text()), (200, body), "{path}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")));
    }
    let moved = get(address, "/sub", "");
    assert_eq!((moved.status, moved.header("location")), (301, Some("/sub/")));
    let list = get(address, "/list/", "");
    let link = "<a href=\"a%20b%26%3Cc%3E.txt\">a b&amp;&lt;c&gt;.txt</a>";
    assert!(list.text().contains(link), "{}", list.text());
    let list = get(address, "/", "");
    assert!(list.text().contains("<a href=\"sub/\">") && !list.text().contains("hidden"));
    let status = get(address, "/status", "");
    let counters: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(counters["sessions"], 2);
    assert!(counters["dispatched"].as_u64() > Some(10));
    server.interrupt().well();
}

#[test]
fn what_is_nowhere() {
    let folder = Folder::new("nowhere");
    let (server, address) = folder.server();
    for path in [
        "/nothing",
        "/hello.txt/",
        "/hello.txt/x",
        "/.hidden",
        "/sub/../hello.txt",
        "/../outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/leads-out",
        "/up/outside.txt",
        "/up/site/hello.txt/..",
        "/%2fetc%2fpasswd",
        "/hello.txt%00",
        "/hello.txt%",
        "/hello.txt%zz",
        "/%ff%fe",
        "*",
    ] {
        let answer = get(address, path, "");
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.text(), "404 Not Found\n");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
        let (answer, _) = ask(address, request(method, "/hello.txt", "Content-Length: 0\r\n"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let (answer, _) = ask(address, "GET /hello.txt HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.status, 400, "without Host");
    server.interrupt().well();
}

#[test]
fn what_the_client_has_already() {
    let folder = Folder::new("conditions");
    let (server, address) = folder.server();
    let first = get(address, "/hello.txt", "");
    let (tag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    for (headers, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: \"x\"\r\n".to_owned(), 200),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        ("If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n".to_owned(), 200),
        ("If-Modified-Since: yesterday\r\n".to_owned(), 200),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"), 200),
    ] {
        let answer = get(address, "/hello.txt", &headers);
        let body = if status == 200 { "hello\n" } else { "" };
        assert_eq!((answer.status, answer.text()), (status, body), "{headers}");
        assert_eq!(answer.header("etag"), Some(tag));
    }
    for (range, status, content_range, body) in [
        ("bytes=0-1", 206, "bytes 0-1/6", "he"),
        ("bytes=4-", 206, "bytes 4-5/6", "o\n"),
        ("bytes=-2", 206, "bytes 4-5/6", "o\n"),
        ("bytes=-99", 206, "bytes 0-5/6", "hello\n"),
        ("bytes=5-99999999999999999999", 200, "", "hello\n"),
        ("bytes=5-18446744073709551615", 206, "bytes 5-5/6", "\n"),
        ("bytes=6-", 416, "bytes */6", ""),
        ("bytes=-0", 416, "bytes */6", ""),
        ("bytes=2-1", 200, "", "hello\n"),
        ("bytes=+1-2", 200, "", "hello\n"),
        ("bytes=0-0,2-3", 200, "", "hello\n"),
        ("lines=0-1", 200, "", "hello\n"),
    ] {
        let answer = get(address, "/hello.txt", &format!("Range: {range}\r\n"));
        let told = answer.header("content-range").unwrap_or_default();
        assert_eq!((answer.status, told, answer.text()), (status, content_range, body), "{range}");
    }
    let same = get(address, "/hello.txt", &format!("Range: bytes=0-1\r\nIf-Range: {tag}\r\n"));
    let other = get(address, "/hello.txt", "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n");
    assert_eq!((same.status, other.status), (206, 200));
    server.interrupt().well();
}

#[test]
fn many_requests_on_one_connection() {
    let folder = Folder::new("pipeline");
    let content = folder.big();
    let (server, address) = folder.server();
    let paths = ["/hello.txt", "/big.bin", "/nothing", "/sub/", "/hello.txt"];
    let mut all = String::new();
    for path in paths {
        all += &format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\n\r\nHEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"
        );
    }
    // The last one is of a client that sends nothing behind it.
    all += &request("GET", "/page.html", "");
    let mut stream = connect(address);
    stream.write_all(all.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reader = BufReader::new(stream);
    for path in paths {
        let answer = Answer::read(&mut reader, true);
        let expected = match path {
            "/hello.txt" => &b"hello\n"[..],
            "/big.bin" => &content,
            "/sub/" => b"the index",
            _ => b"404 Not Found\n",
        };
        assert!(answer.body == expected, "{path}");
        let head = Answer::read(&mut reader, false);
        let without_date = |answer: &Answer| {
            answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect::<Vec<_>>()
        };
        let (mut full, mut short) = (without_date(&answer), without_date(&head));
        full.sort();
        short.sort();
        assert_eq!((answer.status, full), (head.status, short), "{path}");
    }
    assert_eq!(Answer::read(&mut reader, true).text(), "<p>hi</p>");
    assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    server.interrupt().well();
}

/// More answers than anybody would hold are asked for, and not taken for a while.
#[test]
fn a_client_that_asks_and_does_not_read() {
    let folder = Folder::new("flood");
    let (server, address) = folder.server();
    let mut stream = connect(address);
    let count = 40_000;
    let mut sender = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let request = "GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n";
        for _ in 0..count / 1000 {
            sender.write_all(request.repeat(1000).as_bytes()).unwrap();
        }
        sender.shutdown(Shutdown::Write).unwrap();
    });
    let before = server.resident();
    let mut got = 0;
    let mut buffer = vec![0; 64 * 1024];
    let mut seen = Vec::new();
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        got += buffer[..read].windows(6).filter(|octets| octets == b"hello\n").count();
        seen.push(server.resident());
    }
    writer.join().unwrap();
    // One may be divided among two reads.
    assert!(got > count * 99 / 100, "{got} answers");
    let most = seen.into_iter().max().unwrap_or_default().saturating_sub(before);
    assert!(most < 4096, "{most} KiB more");
    server.interrupt().well();
}

#[test]
fn hostile_requests() {
    let folder = Folder::new("hostile");
    let (server, address) = folder.server();
    let long = "x".repeat(10_000);
    let headers =
        |headers: &str| format!("POST /hello.txt HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
    let chunked = "Transfer-Encoding: chunked";
    for (input, status) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\n\n".to_owned(), 400),
        ("GET\r\n\r\n".to_owned(), 400),
        ("GET /hello.txt HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), 414),
        (format!("GET /{long}"), 414),
        (headers(&format!("X: {}", long.repeat(7))), 431),
        (headers(&vec!["X: y"; 101].join("\r\n")), 431),
        ("GET /status HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (request("POST", "/status", ""), 405),
        (headers("Content-Length: 5\r\nContent-Length: 6"), 400),
        (headers("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400),
        (headers("X: y\r\n folded"), 400),
        (headers("X: a\rb"), 400),
        (headers("X: a\0b"), 400),
        (headers("Transfer-Encoding: gzip, chunked"), 501),
        (headers("Content-Encoding: gzip"), 411),
        (headers("Content-Length: 99999999999"), 413),
        (format!("{}-1\r\n", headers(chunked)), 400),
        (format!("{}ffffffffffff\r\n", headers(chunked)), 413),
        (format!("{}1\r\nab\r\n0\r\n\r\n", headers(chunked)), 400),
    ] {
        // What could be taken for another request is behind it.
        let hidden = format!("{input}{}", request("GET", "/hello.txt", ""));
        let input =
            if input.starts_with("GET /xxx") && !input.ends_with('\n') { input } else { hidden };
        let (answer, rest) = ask(address, &input);
        assert_eq!(answer.status, status, "{input:.100?}");
        assert_eq!((answer.header("connection"), rest), (Some("close"), 0), "{input:.100?}");
        assert!(!answer.text().contains("hello"));
    }
    assert_eq!(get(address, "/hello.txt", "").status, 200);
    server.interrupt().well();
}

/// Bodies are taken, in chunks too, and nothing in them is a request.
#[test]
fn bodies_are_no_requests() {
    let folder = Folder::new("bodies");
    let (server, address) = folder.server();
    let inner = request("GET", "/hello.txt", "");
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let head = "POST /hello.txt HTTP/1.1\r\nHost: a\r\n";
    for first in [
        format!("{head}Content-Length: {}\r\n\r\n{inner}", inner.len()),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}"),
    ] {
        let mut stream = connect(address);
        let input = format!("{first}{}", request("GET", "/page.html", ""));
        stream.write_all(input.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        assert_eq!(Answer::read(&mut reader, true).status, 405);
        assert_eq!(Answer::read(&mut reader, true).text(), "<p>hi</p>");
    }
    let expects = format!("{head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let (answer, rest) = ask(address, expects);
    assert_eq!((answer.status, answer.header("connection"), rest), (405, Some("close"), 0));
    server.interrupt().well();
}

#[test]
fn clients_have_five_seconds() {
    let folder = Folder::new("patience");
    folder.big();
    let (server, address) = folder.server();
    // It sends an octet now and then, so as to keep a connection for ever.
    let drips = std::thread::spawn(move || {
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut octet = [0];
        loop {
            match stream.read(&mut octet) {
                Ok(_) => break,
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                ),
            }
            stream.write_all(b"x").unwrap();
        }
        assert_eq!(octet, *b"H");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = Answer::read(&mut (&octet[..]).chain(BufReader::new(stream)), true);
        (answer.status, answer.headers.remove(0).1)
    });
    let deaf = std::thread::spawn(move || {
        let mut stream = connect(address);
        stream.write_all(request("GET", "/big.bin", "").as_bytes()).unwrap();
        wait_until("cut connection", || {
            // Only what is written tells that a connection was reset.
            stream.write_all(b"\r\n").err()
        });
        let mut taken = Vec::new();
        let _ = stream.read_to_end(&mut taken);
        taken.len()
    });
    let mut idle = connect(address);
    let mut after_one = connect(address);
    after_one.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut text = String::new();
    after_one.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("\r\n\r\nhello\n"), "{text}");
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert_eq!(drips.join().unwrap(), (408, "close".to_owned()));
    assert!(deaf.join().unwrap() < BIG);
    server.interrupt().well();
}

#[test]
fn long_files_take_no_memory() {
    let folder = Folder::new("memory");
    let content = folder.big();
    let (server, address) = folder.server();
    let before = server.resident();
    let begin = |_| {
        let mut stream = connect(address);
        stream.write_all(request("GET", "/big.bin", "").as_bytes()).unwrap();
        stream
    };
    // All at once; the others wait while one is read.
    let streams: Vec<TcpStream> = (0..8).map(begin).collect();
    let answer = Answer::read(&mut BufReader::new(&streams[0]), true);
    assert!(answer.body == content);
    let growth = server.resident().saturating_sub(before);
    assert!(growth < 4096, "{growth} KiB");
    drop(streams);
    server.interrupt().well();
}

#[test]
fn a_file_that_gets_shorter() {
    let folder = Folder::new("shorter");
    folder.big();
    let (server, address) = folder.server();
    let mut stream = connect(address);
    stream.write_all(request("GET", "/big.bin", "").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    folder.file("site/big.bin", "short");
    // There is no better word for this than an end that is too early.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < BIG);
    server.interrupt().well();
}

#[test]
fn what_was_begun_at_a_signal_is_finished() {
    let folder = Folder::new("end");
    let content = folder.big();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (server, address) = folder.server();
        let mut idle = connect(address);
        let mut stream = connect(address);
        let two = "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
        stream.write_all(two.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        assert!(reader.fill_buf().unwrap().starts_with(b"HTTP/1.1 200 OK\r\n"));
        server.signal(signal);
        wait_until("closed listener", || TcpStream::connect(address).err());
        assert_eq!(idle.read(&mut [0]).unwrap(), 0);
        assert!(Answer::read(&mut reader, true).body == content);
        // The second request came too late.
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
        drop(reader);
        server.wait().well();
    }
    let (server, address) = folder.server();
    let mut stream = connect(address);
    stream.write_all(request("GET", "/big.bin", "").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    server.signal(Signal::SIGINT);
    wait_until("closed listener", || TcpStream::connect(address).err());
    let begun = Instant::now();
    server.signal(Signal::SIGINT);
    server.wait().well();
    assert!(begun.elapsed() < DEADLINE / 10);
}

#[test]
fn curl_gets_the_same() {
    if !is_installed("curl", &["--version"], "curl") {
        return;
    }
    let folder = Folder::new("curl");
    let content = folder.big();
    let (server, address) = folder.server();
    let curl = |arguments: &[&str], paths: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20", "--noproxy", "*"]).args(arguments);
        command.args(paths.iter().map(|path| format!("http://{address}{path}")));
        let output = run(&mut command, "");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert!(curl(&[], &["/big.bin"]) == content);
    assert!(curl(&["--http1.0"], &["/big.bin"]) == content);
    assert!(curl(&["-r", "1000-1999"], &["/big.bin"]) == content[1000..2000]);
    assert_eq!(curl(&["-L"], &["/sub"]), b"the index");
    let connects = curl(&["-w", "%{num_connects}\n"], &["/hello.txt", "/hello.txt", "/nothing"]);
    assert_eq!(connects, b"hello\n1\nhello\n0\n404 Not Found\n0\n");
    let head = String::from_utf8(curl(&["-I"], &["/big.bin"])).unwrap();
    assert!(head.contains(&format!("content-length: {BIG}\r\n")), "{head}");
    // Nobody gives it leave to send this, and so it does not, however long it would wait.
    let body = "x".repeat(100_000);
    let waits = ["-H", "Expect: 100-continue", "--expect100-timeout", "20"];
    let asks =
        [&waits[..], &["-w", "%{http_code} %{size_upload}", "--data-binary", &body]].concat();
    assert_eq!(curl(&asks, &["/"]), b"405 Method Not Allowed\n405 0");
    server.interrupt().well();
}

#[test]
fn wrk_finds_no_fault() {
    if !is_installed("sh", &["-c", "wrk -v 2>&1 | grep -q ^wrk"], "wrk") {
        return;
    }
    let folder = Folder::new("wrk");
    let (server, address) = folder.server();
    for path in ["/hello.txt", "/status", "/list/"] {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "-c20", "-d1s", "--timeout", "20s", &format!("http://{address}{path}")]);
        let output = run(&mut wrk, "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Requests/sec"), "{text}");
        assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    }
    server.interrupt().well();
}

#[test]
fn its_command_line() {
    let help = run(Command::new(SERVER).arg("--help"), "");
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("\nUsage: web-server [ADDRESS:PORT] [FOLDER]"), "{help}");
    for (arguments, complaint) in [
        (&["nonsense"][..], "is no address; write it as"),
        (&["127.0.0.1:0", ".", "extra"], "unexpected argument \"extra\"; see --help"),
        (&["127.0.0.1:0", "/no/such/folder"], "cannot serve /no/such/folder: No such file"),
        (&["127.0.0.1:0", "Cargo.toml"], "cannot serve Cargo.toml: it is no folder"),
    ] {
        let error = Program::start(Command::new(SERVER).args(arguments)).wait().badly();
        assert!(error.contains(complaint), "{error}");
    }
}
