//! What goes to the crate `tracing`.
#![cfg(feature = "tracing")]

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use poe_kernel::{Delivery, Diagnostic, Dispatch, Kernel, Outcome, SessionId, Traces, to_tracing};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down spans and events.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

impl Log {
    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.push(format!("span {}{}", span.metadata().name(), fields.0));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        self.push(format!("{} {}{}", metadata.level(), metadata.target(), fields.0));
    }

    fn enter(&self, span: &Id) {
        self.push(format!("enter {}", span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.push(format!("exit {}", span.into_u64()));
    }
}

struct Speaker;

impl Dispatch for Speaker {
    fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
        if delivery.event == "speak" {
            tracing::info!(target: "program", "spoken");
            let session: SessionId = delivery.session;
            delivery.kernel.report(&Diagnostic::Component { session, message: "odd" });
        }
        Ok(())
    }
}

#[test]
fn traces_are_events_and_handlers_are_spans() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let kernel =
            Kernel::builder().traces(Traces::EVENTS).diagnostics(to_tracing).build().unwrap();
        let session = kernel.session_alloc(std::rc::Rc::new(Speaker), ()).unwrap();
        kernel.post(session, "speak", 7_u32).unwrap();
        kernel.run().unwrap();
    });
    let lines = log.lines.lock().unwrap();
    let at = |part: &str| {
        let found = lines.iter().position(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no {part:?} in {lines:#?}"))
    };
    let dispatched = at("TRACE poe message=event \"speak\" (u32) dispatched to session 1");
    assert!(
        lines[dispatched].contains("trace=\"ev\" session=1 file=\"poe-kernel/tests/tracing.rs\"")
    );
    let span = at("span handler session=1 sender=0 event=\"speak\"");
    let (spoken, odd) = (at("INFO program message=spoken"), at("WARN poe message=session 1: odd"));
    assert!(lines[span + 1].starts_with("enter "));
    let exit = lines[span + 1].replace("enter", "exit");
    let exit = lines.iter().position(|line| *line == exit).unwrap();
    assert!(dispatched < span && span < spoken && spoken < odd && odd < exit, "{lines:#?}");
}
