//! All filters, each by itself and in stacks.

use std::rc::Rc;

use bytes::Bytes;
use poe_filter::{
    Block, Filter, FilterLayer, Grep, IntegerLength, Line, Map, Netstring, RecordBlock, Stackable,
    VarintLength,
};

use super::subject::{Subject, Told};

type Make = Box<dyn Fn() -> Box<dyn Subject>>;
type Wire = Rc<dyn Fn(&[Bytes]) -> Vec<u8>>;
type Words = Rc<dyn Fn(&[Bytes]) -> Vec<String>>;

/// A filter to be tried.
pub struct Case {
    pub name: String,
    pub make: Make,
    /// What goes over the wire for some texts.
    pub wire: Wire,
    /// What comes of it.
    pub told: Words,
    /// It knows where a record ends without looking at what follows, and begins the next one without knowing what was
    /// before it.
    pub exact: bool,
}

/// A filter before it is put on others, and others on it.
struct Kind<F: Filter> {
    name: &'static str,
    make: fn() -> F,
    tell: fn(&F::In) -> String,
    /// The record that is told in these words.
    record: fn(&Bytes) -> F::Out,
    exact: bool,
}

impl<F: Filter + 'static> Kind<F> {
    /// What the filter itself puts, it gets.
    fn add(self, cases: &mut Vec<Case>) {
        let (make, record) = (self.make, self.record);
        let wire = move |texts: &[Bytes]| {
            let (mut filter, mut wire) = (make(), Vec::<u8>::new());
            for text in texts {
                filter.put(record(text), &mut wire).unwrap();
            }
            wire
        };
        // A stack puts the same, by its layers.
        let stacked = move |texts: &[Bytes]| {
            let mut filter = make().then(Map::new(|_| (), move |text: Bytes| record(&text)));
            let mut wire = Vec::<u8>::new();
            for text in texts {
                filter.put(text.clone(), &mut wire).unwrap();
            }
            wire
        };
        let texts: Vec<Bytes> = vec!["".into(), "ab".into()];
        // Masks are never the same.
        if self.name != "WebSocket of a client" {
            assert_eq!(wire(&texts), stacked(&texts), "{}", self.name);
        }
        self.add_with(cases, wire);
    }

    /// It gets what somebody else puts.
    fn add_with(self, cases: &mut Vec<Case>, wire: impl Fn(&[Bytes]) -> Vec<u8> + 'static) {
        let Self { name, make, tell, exact, .. } = self;
        let wire: Wire = Rc::new(wire);
        let told: Words = Rc::new(words);
        let layer = move || Map::new(move |record: F::In| tell(&record), |_: ()| unreachable!());
        let mut add = |what: &str, make: Make| {
            let (wire, told) = (Rc::clone(&wire), Rc::clone(&told));
            cases.push(Case { name: format!("{what}{name}"), make, wire, told, exact });
        };
        add("", Box::new(move || Box::new(Told { filter: make(), tell })));
        add(
            "layers on ",
            Box::new(move || {
                let filter = make().then(layer()).then(Grep::new(|_: &String| true, |_: &()| true));
                Box::new(Told {
                    filter: filter.then(Map::new(|told| told, |()| ())),
                    tell: String::clone,
                })
            }),
        );
        add(
            "a stack on ",
            Box::new(move || {
                let mut filter = Stackable::<String, ()>::new();
                filter.push(make()).unwrap();
                filter.push(layer()).unwrap();
                Box::new(Told { filter, tell: String::clone })
            }),
        );
        if !name.contains("streaming") {
            let of_pairs = Rc::clone(&told);
            cases.push(Case {
                name: format!("pairs of {name}"),
                make: Box::new(move || {
                    let filter =
                        make().then(layer()).then(RecordBlock::<String, ()>::new(2).unwrap());
                    Box::new(Told { filter, tell: |pair| pair.join(" & ") })
                }),
                wire: Rc::clone(&wire),
                told: Rc::new(move |texts| {
                    of_pairs(texts).chunks_exact(2).map(|pair| pair.join(" & ")).collect()
                }),
                exact,
            });
        }
        cases.push(Case {
            name: format!("{name} in blocks"),
            make: Box::new(move || {
                let filter = Block::new().then(FilterLayer::new(make()));
                Box::new(Told { filter, tell })
            }),
            wire: Rc::new(move |texts| {
                // No block has the end of one record and the start of another: it could not be parted for another filter.
                let mut blocks = Vec::<u8>::new();
                for text in texts {
                    for piece in wire(std::slice::from_ref(text)).chunks(5) {
                        Block::new().put(Bytes::copy_from_slice(piece), &mut blocks).unwrap();
                    }
                }
                blocks
            }),
            told,
            exact,
        });
    }
}

fn words(texts: &[Bytes]) -> Vec<String> {
    texts.iter().map(octets).collect()
}

fn octets(octets: &Bytes) -> String {
    octets.escape_ascii().to_string()
}

#[cfg(any(feature = "json", feature = "websocket"))]
fn text(text: &Bytes) -> String {
    String::from_utf8(text.to_vec()).unwrap()
}

type Octets = Box<dyn Filter<In = Bytes, Out = Bytes>>;

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    plain(&mut cases);
    #[cfg(feature = "json")]
    json(&mut cases);
    #[cfg(all(feature = "reference", feature = "storable"))]
    storable(&mut cases);
    #[cfg(all(
        feature = "storable",
        feature = "msgpack",
        feature = "cbor",
        feature = "yaml",
        feature = "json"
    ))]
    codecs(&mut cases);
    #[cfg(feature = "websocket")]
    websocket(&mut cases);
    #[cfg(feature = "http")]
    http(&mut cases);
    cases
}

fn plain(cases: &mut Vec<Case>) {
    let mut add = |name, exact, make: fn() -> Octets| {
        Kind { name, make, tell: octets, record: Bytes::clone, exact }.add(cases);
    };
    // Of a terminator of two octets the second may come later, where somebody else takes it for an empty line.
    add("Line", false, || Box::new(Line::new()));
    add("Line of a literal", true, || Box::new(Line::literal("\r\n").unwrap()));
    add("Line that detects", false, || {
        Box::new(Line::builder().autodetect().output_literal("\r\n").build().unwrap())
    });
    #[cfg(feature = "regex")]
    add("Line of an expression", true, || {
        Box::new(Line::builder().input_regexp("[!\n]").output_literal("!").build().unwrap())
    });
    add("Line of NUL", true, || Box::new(Line::nul_terminated()));
    add("Netstring", true, || Box::new(Netstring::new()));
    add("Block", true, || Box::new(Block::new()));
    add("Block of 1 octet", true, || codec(IntegerLength::U8));
    add("Block of 2 octets", true, || codec(IntegerLength::U16_LE));
    add("Block of 4 octets", true, || codec(IntegerLength::U32_BE));
    add("Block of 8 octets", true, || codec(IntegerLength::U64_LE));
    add("Block of a varint", true, || codec(VarintLength));
}

fn codec(codec: impl poe_filter::LengthCodec + 'static) -> Octets {
    Box::new(Block::builder().length_codec(codec).max_length(100).build().unwrap())
}

#[cfg(feature = "json")]
fn json(cases: &mut Vec<Case>) {
    use poe_filter::JsonLines;

    let make = JsonLines::<String>::new;
    Kind { name: "JsonLines", make, tell: String::clone, record: text, exact: true }.add(cases);
}

#[cfg(all(feature = "reference", feature = "storable"))]
fn storable(cases: &mut Vec<Case>) {
    use poe_filter::reference::{Reference, Storable};
    use poe_filter::storable::{Builder, Value};

    let tell = |value: &Value| match value.root().at(0) {
        Some(node) if value.root().len() == 1 => {
            format!("{}", node.octets().unwrap_or_default().escape_ascii())
        }
        _ => format!("{value:?}"),
    };
    let record = |text: &Bytes| {
        let mut build = Builder::new();
        let text = build.octets(text);
        let list = build.array([text]);
        build.finish(list).unwrap()
    };
    let make = || Reference::new(Storable::new());
    Kind { name: "Reference", make, tell, record, exact: true }.add(cases);
    #[cfg(feature = "zlib")]
    {
        let make = || Reference::builder(Storable::new()).compression().build().unwrap();
        Kind { name: "Reference, compressed", make, tell, record, exact: true }.add(cases);
    }
}

#[cfg(all(
    feature = "storable",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml",
    feature = "json"
))]
fn codecs(cases: &mut Vec<Case>) {
    use poe_filter::reference::{Cbor, Json, MessagePack, Reference, StorableOf, Yaml};

    type Record = (u32, String);

    fn tell((number, text): &Record) -> String {
        format!("{}{text}", ["", "?"][usize::from(*number != 7)])
    }

    fn record(words: &Bytes) -> Record {
        (7, text(words))
    }

    macro_rules! add {
        ($name:literal, $codec:ident) => {
            let make = || Reference::new($codec::<Record>::new());
            Kind { name: $name, make, tell, record, exact: true }.add(cases);
        };
    }
    add!("Reference in JSON", Json);
    add!("Reference in MessagePack", MessagePack);
    add!("Reference in CBOR", Cbor);
    add!("Reference in YAML", Yaml);
    add!("Reference of any type in Storable", StorableOf);
}

#[cfg(feature = "websocket")]
fn websocket(cases: &mut Vec<Case>) {
    use poe_filter::{WebSocket, WebSocketMessage};

    fn tell(message: &WebSocketMessage) -> String {
        match message {
            WebSocketMessage::Text(text) => text.escape_default().to_string(),
            WebSocketMessage::Binary(binary) => octets(binary),
            other => format!("{other:?}"),
        }
    }

    /// Each as text or as octets, and the latter in fragments with a ping between them.
    fn wire(texts: &[Bytes], mut peer: WebSocket) -> Vec<u8> {
        let mut wire = Vec::<u8>::new();
        for words in texts {
            let message = match words.len() % 2 {
                0 => WebSocketMessage::Text(text(words)),
                _ => WebSocketMessage::Binary(words.clone()),
            };
            peer.put(message, &mut wire).unwrap();
        }
        wire
    }

    /// The same frames, but for the masks, by hand and in fragments.
    fn fragments(texts: &[Bytes]) -> Vec<u8> {
        let mut wire = Vec::new();
        for words in texts {
            let parts: Vec<_> = words.chunks(2).collect();
            let last = parts.len().saturating_sub(1);
            if parts.is_empty() {
                wire.extend([0x82, 0]);
            }
            for (number, part) in parts.iter().enumerate() {
                let opcode = if number == 0 { 2 } else { 0 };
                let end = if number == last { 0x80 } else { 0 };
                wire.extend([end | opcode, part.len() as u8]);
                wire.extend(*part);
            }
        }
        wire
    }

    let record = |words: &Bytes| WebSocketMessage::Text(text(words));
    let kind = |name, make| Kind { name, make, tell, record, exact: true };
    kind("WebSocket of a server", WebSocket::server)
        .add_with(cases, |texts| wire(texts, WebSocket::client()));
    kind("WebSocket of a client", WebSocket::client)
        .add_with(cases, |texts| wire(texts, WebSocket::server()));
    kind("WebSocket in fragments", WebSocket::client).add_with(cases, fragments);
}

#[cfg(feature = "http")]
fn http(cases: &mut Vec<Case>) {
    use http::{HeaderMap, Request, Response};
    use poe_filter::{
        HttpClient, HttpClientRecord, HttpClientRequest, Httpd, HttpdRecord, HttpdResponse,
    };

    fn request(record: &HttpdRecord) -> String {
        match record {
            HttpdRecord::Request(request) if request.path() == "/path" => octets(&request.body()),
            HttpdRecord::Body(piece) => format!("Body {}", octets(piece)),
            other => format!("{other:?}"),
        }
    }

    fn response(record: &HttpClientRecord) -> String {
        match record {
            HttpClientRecord::Response(response) if response.status() == 200 => {
                octets(response.body())
            }
            HttpClientRecord::Body(piece) => format!("Body {}", octets(piece)),
            other => format!("{other:?}"),
        }
    }

    fn whole_requests(texts: &[Bytes]) -> Vec<u8> {
        let (mut peer, mut wire) = (HttpClient::new(), Vec::<u8>::new());
        for text in texts {
            let request = Request::post("http://localhost/path").header("X-Odd", "y");
            peer.put(request.body(text.clone()).unwrap().into(), &mut wire).unwrap();
        }
        wire
    }

    fn chunked_requests(texts: &[Bytes]) -> Vec<u8> {
        let (mut peer, mut wire) = (HttpClient::new(), Vec::<u8>::new());
        for text in texts {
            let head = Request::post("http://localhost/path").body(()).unwrap();
            peer.put(HttpClientRequest::Head(head), &mut wire).unwrap();
            for part in text.chunks(3) {
                let part = Bytes::copy_from_slice(part);
                peer.put(HttpClientRequest::Body(part), &mut wire).unwrap();
            }
            peer.put(HttpClientRequest::End(HeaderMap::new()), &mut wire).unwrap();
        }
        wire
    }

    fn whole_responses(texts: &[Bytes]) -> Vec<u8> {
        let (mut peer, mut wire) = (Httpd::new(), Vec::<u8>::new());
        for text in texts {
            let response = Response::builder().header("X-Odd", "y").body(text.clone()).unwrap();
            peer.put(response.into(), &mut wire).unwrap();
        }
        wire
    }

    fn answer(text: &Bytes) -> HttpdResponse {
        Response::new(text.clone()).into()
    }

    fn question(text: &Bytes) -> HttpClientRequest {
        Request::post("http://localhost/path").body(text.clone()).unwrap().into()
    }

    let httpd = |name, make, exact| Kind { name, make, tell: request, record: answer, exact };
    httpd("Httpd", Httpd::new, true).add_with(cases, whole_requests);
    httpd("Httpd, chunked", Httpd::new, true).add_with(cases, chunked_requests);
    let client = |name, make, exact| Kind { name, make, tell: response, record: question, exact };
    // Whoever takes over knows nothing of the requests.
    let make = || HttpClient::builder().allow_unasked().build().unwrap();
    client("HttpClient", make, true).add_with(cases, whole_responses);

    // Whoever takes over in the midst of a body can not know that it is one; and all that is told are pieces.
    let streaming = |base: usize, cases: &mut Vec<Case>| {
        for case in &mut cases[base..] {
            case.told = Rc::new(|_| vec!["streaming".to_owned()]);
        }
    };
    let base = cases.len();
    let make = || Httpd::builder().streaming().build().unwrap();
    httpd("Httpd, streaming", make, false).add_with(cases, whole_requests);
    httpd("Httpd, streaming, chunked", make, false).add_with(cases, chunked_requests);
    let make = || HttpClient::builder().streaming().allow_unasked().build().unwrap();
    client("HttpClient, streaming", make, false).add_with(cases, whole_responses);
    streaming(base, cases);
}
