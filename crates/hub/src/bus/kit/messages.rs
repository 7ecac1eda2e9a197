use bytes::Bytes;

use super::failure::{Checked, broken, equal};
use super::node::Node;
use super::{Kit, room};
use crate::bus::BusEvent;
use crate::core::NodeId;

async fn message(node: &mut Node) -> Checked<(NodeId, Bytes)> {
    match node.event().await? {
        BusEvent::Message { from, bytes } => Ok((from, bytes)),
        other => Err(broken(format!("expected a message, received {other:?}"))),
    }
}

/// Waits until a message of one node reaches another: some buses attach nodes in the background.
async fn reach(from: &Node, to: &mut Node) -> Checked {
    for _ in 0..50 {
        from.bus.send(Some(to.id), Bytes::from_static(b"are you there?")).await?;
        while let Some(event) = to.event_soon().await {
            if matches!(event, BusEvent::Message { from: sender, .. } if sender == from.id) {
                while to.event_soon().await.is_some() {}
                return Ok(());
            }
        }
    }
    Err(broken("messages to a node do not reach it"))
}

pub(super) async fn messages(kit: &Kit) -> Checked {
    let (mut first, mut second, mut third) = (kit.node().await, kit.node().await, kit.node().await);
    reach(&first, &mut second).await?;
    reach(&second, &mut third).await?;
    reach(&third, &mut first).await?;
    let contents: [Bytes; 4] = [
        Bytes::new(),
        Bytes::from_static(b"\n\0\xff * >"),
        vec![7; 256 << 10].into(),
        Bytes::from_static(b"last"),
    ];
    for bytes in &contents {
        first.bus.send(Some(second.id), bytes.clone()).await?;
    }
    for bytes in &contents {
        equal("a message to one node", message(&mut second).await?, (first.id, bytes.clone()))?;
    }
    for number in 0..100_u8 {
        second.bus.send(None, vec![number].into()).await?;
    }
    for node in [&mut first, &mut third] {
        for number in 0..100_u8 {
            let expected = (second.id, Bytes::from(vec![number]));
            equal("a message to all", message(node).await?, expected)?;
        }
    }
    // To a node that does not exist, and to itself or nobody: no error, and no event.
    first.bus.send(Some(NodeId(1)), Bytes::from_static(b"lost")).await?;
    for node in [&mut first, &mut second, &mut third] {
        node.nothing_more().await?;
    }
    Ok(())
}

pub(super) async fn detached(kit: &Kit) -> Checked {
    let (first, mut second, third) = (kit.node().await, kit.node().await, kit.node().await);
    let room = room("detached");
    for node in [&first, &second, &third] {
        node.bus.subscribe(&room, None).await?;
    }
    drop(third);
    for number in 0..10 {
        first.publish_live(&room, &number.to_string()).await?;
        equal("the publications", second.live().await?.1, number.to_string())?;
    }
    first.bus.send(None, Bytes::from_static(b"still here")).await?;
    equal("a message", message(&mut second).await?.1, Bytes::from_static(b"still here"))
}
