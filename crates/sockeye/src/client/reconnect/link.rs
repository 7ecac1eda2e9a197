use sockeye_proto::{CloseFrame, Message};

use crate::close_payload::ClosePayload;
use crate::websocket::split;
use crate::{Result, WebSocket};

/// An open connection, whole or as its receiving half with a handle for sending.
pub(super) enum Link {
    Whole(Box<WebSocket>),
    Divided { sender: split::Sender, receiver: Box<split::Receiver> },
}

impl Link {
    pub(super) fn divide(ws: WebSocket) -> Self {
        let (sender, receiver) = ws.split();
        Self::Divided { sender, receiver: Box::new(receiver) }
    }

    pub(super) async fn recv(&mut self) -> Result<Option<Message>> {
        match self {
            Self::Whole(ws) => ws.recv().await,
            Self::Divided { receiver, .. } => receiver.recv().await,
        }
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<()> {
        match self {
            Self::Whole(ws) => ws.send(message).await,
            Self::Divided { sender, .. } => sender.send(message).await,
        }
    }

    pub(super) async fn close(&mut self, payload: ClosePayload) -> Result<()> {
        match self {
            Self::Whole(ws) => ws.close_with(payload).await,
            Self::Divided { receiver, .. } => receiver.close_with(payload).await,
        }
    }

    pub(super) fn close_frame(&self) -> Option<&CloseFrame> {
        match self {
            Self::Whole(ws) => ws.close_frame(),
            Self::Divided { receiver, .. } => receiver.close_frame(),
        }
    }

    pub(super) fn websocket(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::Whole(ws) => Some(ws),
            Self::Divided { .. } => None,
        }
    }

    pub(super) fn receiver(&self) -> Option<&split::Receiver> {
        match self {
            Self::Whole(_) => None,
            Self::Divided { receiver, .. } => Some(receiver),
        }
    }
}
