use sockeye_proto::{CloseFrame, Message};

use crate::close_payload::ClosePayload;
use crate::websocket::split;
use crate::{Result, WebSocket};

/// An open connection, whole or as its receiving half with a handle for sending.
pub(super) enum MaybeSplit {
    Whole(Box<WebSocket>),
    Split { sender: split::Sender, receiver: Box<split::Receiver> },
}

impl MaybeSplit {
    pub(super) fn split(ws: WebSocket) -> Self {
        let (sender, receiver) = ws.split();
        Self::Split { sender, receiver: Box::new(receiver) }
    }

    pub(super) async fn recv(&mut self) -> Result<Option<Message>> {
        match self {
            Self::Whole(ws) => ws.recv().await,
            Self::Split { receiver, .. } => receiver.recv().await,
        }
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<()> {
        match self {
            Self::Whole(ws) => ws.send(message).await,
            Self::Split { sender, .. } => sender.send(message).await,
        }
    }

    pub(super) async fn close(&mut self, payload: ClosePayload) -> Result<()> {
        match self {
            Self::Whole(ws) => ws.close_with(payload).await,
            Self::Split { receiver, .. } => receiver.close_with(payload).await,
        }
    }

    pub(super) fn close_frame(&self) -> Option<&CloseFrame> {
        match self {
            Self::Whole(ws) => ws.close_frame(),
            Self::Split { receiver, .. } => receiver.close_frame(),
        }
    }

    pub(super) fn websocket(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::Whole(ws) => Some(ws),
            Self::Split { .. } => None,
        }
    }

    pub(super) fn receiver(&self) -> Option<&split::Receiver> {
        match self {
            Self::Whole(_) => None,
            Self::Split { receiver, .. } => Some(receiver),
        }
    }
}
