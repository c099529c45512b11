//! Sessions of POE: a heap, and handlers for named events; and state machines.
//!
//! A [`Session`] is built from a value of any type, its heap, and a handler for each event it knows, and is then spawned
//! into a [`Kernel`](poe_kernel::Kernel). From there on the kernel runs its handlers, one at a time, until nothing is left
//! that it could wait for.
//!
//! - A handler is `Fn(&mut Cx<'_, H>, P) -> R`: a closure, a function, or a method. [`Cx`] has the heap, the kernel, and
//!   all that a session can ask for; `P` is what the event carries; `R` is nothing, a [`Reply`] for a caller, or a
//!   `Result` of either, whose error is the death of the session unless somebody handles it.
//! - [`Handlers`] is the table of them. Sessions of one kind share one ([`Session::with`]), and each then costs its heap.
//! - An [`Nfa`] is a session that is a state machine: it has the handlers of the state that it is in.
//! - [`Postback`] and [`Callback`] are events of a session as values, to hand to those who do not know it.
//!
//! `PORTING.md` in the repository has programs of Perl's POE beside their twins here, and says where each method of
//! `POE::Session` has gone.
//!
//! # Example
//!
//! A server that answers to a name, and a client that asks it twice, once to wait for and once not:
//!
//! ```
//! use poe_session::prelude::*;
//!
//! const ADD: Event<(u32, u32)> = Event::new("add");
//! const SUM: Event<u32> = Event::new("sum");
//!
//! #[derive(Default)]
//! struct Adder {
//!     asked: u32,
//! }
//!
//! impl Adder {
//!     fn add(cx: &mut Cx<'_, Self>, (a, b): (u32, u32)) -> HandlerResult<Reply<u32>> {
//!         cx.heap.asked += 1;
//!         let sum = a.checked_add(b).ok_or("too much")?;
//!         cx.post(cx.sender(), SUM, sum)?;
//!         Ok(Reply(sum))
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let kernel = Kernel::new()?;
//!     Session::build(Adder::default())
//!         .on_start(|cx| cx.alias_set("adder"))
//!         .on(ADD, Adder::add)
//!         .on_stop(|cx| assert_eq!(cx.heap.asked, 2))
//!         .spawn(&kernel)?;
//!     Session::build(Vec::new())
//!         .on_start(|cx| -> HandlerResult {
//!             let sum: u32 = cx.call("adder", ADD, (1, 2))?;
//!             assert_eq!(sum, 3);
//!             cx.post("adder", ADD, (3, 4))?;
//!             Ok(())
//!         })
//!         .on(SUM, |cx, sum| cx.heap.push(sum))
//!         .on_stop(|cx| assert_eq!(*cx.heap, [3, 7]))
//!         .spawn(&kernel)?;
//!     kernel.run()?;
//!     Ok(())
//! }
//! ```
//!
//! # What keeps a session alive
//!
//! Events and timers on their way to it, or events from it on their way to others; aliases; children; watched handles;
//! child processes that it asked for; extra references, and so postbacks. `poe_kernel` has the whole table. What does not:
//! a watched signal, and being named in somebody's heap.
//!
//! # Design
//!
//! - **The heap is lent, not locked.** `cx.heap` is a guard beside `cx.kernel`, so that both can be used at once. What may
//!   run other handlers before it returns (`call`, `spawn`, `detach_myself`, `stop`, [`Cx::suspend`]) takes `cx` as `&mut`
//!   and gives the heap back meanwhile: a session may be called by whom it calls. The same through `cx.kernel` keeps the
//!   heap, and what would need it is refused with an error that says so, before anything has happened.
//! - **A payload has one type**, several values are a tuple. The handler says which, and what else is sent to it is an
//!   error that names the event, both types and the place it was sent from. An [`Event<P>`](poe_kernel::Event) moves this
//!   check into the compiler. Literals deserve a suffix: `1_u32`, for a handler of `u32`.
//! - **Dropping a session's things may call the kernel**, its heap, payloads and handlers: a [`Postback`] kept in any of
//!   them gives its reference back when it goes.
//! - A heap that keeps a `Kernel` keeps it from being freed; keep a [`WeakKernel`](poe_kernel::WeakKernel).
//!
//! # Differences from POE
//!
//! - A session without `_start` is a session: it waits for events like any other.
//! - A session without a handler for an event that it is *called* with tells its caller so.
//! - An event that is sent to a session without a handler for it is told of to the diagnostics: the option `default` is on until
//!   it is switched off; POE's is off until it is switched on. Not so where the sender waits, who gets an error.
//! - A caller learns that its call failed, and of what.
//! - An invoked postback whose session has gone is an error, not silence. Callbacks keep their session alive as postbacks
//!   do.
//! - The default handler gets an [`Unhandled`]; `cx.event()` is the event's own name, not `_default`.
//! - The sender of `_child` and `_parent` is the kernel, as in POE; what they say is a struct.
//! - Options are three that exist, not free-form names.
//! - `TRACE_DESTROY` names the type of a heap; what is in it is shown if the session was built with
//!   [`show_heap`](Session::show_heap), as not every heap can show itself.
//!
//! Of state machines:
//!
//! - `_start` and `_stop` reach a machine's states, and `_child` and `_parent` need no handler there. An event of any other
//!   name that has none is the machine's death, as in POE.
//! - A machine is spawned into its first state; it is never in none.
//! - A transition that cannot be made is an error where it is asked for, and no death later. That is so when there is no
//!   such state, it cannot be entered with that event, or nothing is left to return to. A return event that has no
//!   handler is found out when the call is made, not when it ends.
//! - A `leave` that fails leaves the calls of states as they were, too. Immediate transitions wait while it runs; in POE
//!   one of them never ended. A machine that it has stopped enters no other state.
//! - `leave` and the event of entry say who asked for the transition, `cx.caller()`; in POE nobody did.
//! - A state that is defined twice has the handlers of both definitions, and [`Nfa::any_state`] defines them all.
//! - A `_default` set by [`Cx::state_default`] serves the states that have none.
//! - `stop` of the machine is [`stop_machine`](Cx::stop_machine), as [`Cx::stop`] is the kernel's, and only its own handlers
//!   drive a machine: others send it events.
//!
//! Case by case:
//!
//! - Difference: SES-17 (an odd list of arguments does not compile)
//! - Difference: NFA-02 (malformed states and unknown parameters do not compile)

mod body;
mod cx;
mod handlers;
mod heap;
mod kind;
mod nfa;
mod outcome;
mod postback;
mod scope;
mod session;
mod table;

/// The crate below, for what the prelude does not have.
pub use poe_kernel;

pub use cx::Cx;
pub use handlers::{Handlers, Unhandled};
pub use heap::Heap;
pub use kind::{Kind, Plain};
pub use nfa::{Entry, Machine, Nfa, NfaError, ReturnEvent, StateError, States};
pub use outcome::{HandlerResult, IntoOutcome, Reply};
pub use postback::{Callback, Postback};
pub use scope::{Scope, Suspended};
pub use session::Session;

/// What a program of sessions uses.
pub mod prelude {
    pub use poe_kernel::{
        Alarm, Asserts, BlockingError, CallError, Change, Child, ChildExit, Event, KeepAlive,
        Kernel, KernelError, Mode, Name, Parent, Payload, PostId, Poster, Priority, Ready,
        SessionId, SessionOption, SessionPoster, Shift, Signal, SpawnError, TimerId, Traces,
        WeakKernel,
    };

    pub use crate::{
        Callback, Cx, HandlerResult, Handlers, Machine, Nfa, Postback, Reply, Scope, Session,
        StateError, States, Unhandled,
    };
}
