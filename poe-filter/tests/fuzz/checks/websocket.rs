//! WebSocket frames.

use poe_filter::{Filter, WebSocket, WebSocketMessage};

use super::input::Input;
use super::stream::{HandOver, Subject, Told};

const LIMITS: [usize; 4] = [1 << 20, 4, 130, 70_000];

pub(super) fn websocket(octets: &[u8]) {
    let mut input = Input::new(octets);
    let is_server = input.number(2) == 0;
    let max_length = input.pick(&LIMITS);
    let sizes = input.sizes();
    let stream = input.stream();
    let side = |is_server| -> Box<dyn Filter<In = WebSocketMessage, Out = WebSocketMessage>> {
        let filter = if is_server { WebSocket::server() } else { WebSocket::client() };
        Box::new(filter.with_max_length(max_length).unwrap())
    };
    let make = || side(is_server);
    let subject = Subject::new(&make, |message, all| all.push(Told::debug(message)))
        // Control frames come before the message that they are within.
        .gives_out_of_order()
        // That the peer has closed is not in what is pending.
        .can_hand_over(HandOver::Same)
        .holds_at_most(2 * max_length.max(125) + 28);
    subject.check(stream, sizes);
    subject.check_again(stream, |message| message, &mut *side(!is_server), false);
}
