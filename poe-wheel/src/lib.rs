//! Wheels of POE: buffered input and output, sockets, each one I/O mechanism done whole.

mod error;
mod input;
mod listen_accept;
mod listener;
mod read_write;
mod socket;
mod socket_factory;
mod wheel_id;

pub use error::{IoCause, IoError, WheelError};
pub use input::Input;
pub use listen_accept::{ListenAccept, ListenAcceptBuilder};
pub use read_write::{ReadWrite, ReadWriteBuilder, ReadWriteEvent};
pub use socket::{Address, Connection, Socket};
pub use socket_factory::{Domain, ListeningSocket, Port, SocketFactory, SocketFactoryBuilder};
pub use wheel_id::WheelId;

/// What a program of wheels uses.
pub mod prelude {
    pub use crate::{
        Address, Connection, Domain, Input, IoCause, IoError, ListenAccept, ReadWrite,
        ReadWriteEvent, Socket, SocketFactory, WheelId,
    };
}
