//! Random programs against a model: each direction of each stream is a `Vec`.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Open {
        end: bool,
        direction: bool,
    },
    Write {
        end: bool,
        stream: u8,
        length: u16,
    },
    Finish {
        end: bool,
        stream: u8,
    },
    Reset {
        end: bool,
        stream: u8,
    },
    Stop {
        end: bool,
        stream: u8,
    },
    Read {
        end: bool,
        stream: u8,
        max: u16,
    },
    Prioritise {
        end: bool,
        stream: u8,
        priority: i8,
    },
    /// Delivers up to this number of records to an end.
    Deliver {
        end: bool,
        records: u8,
    },
}

/// A direction of a stream, from the end with this number.
#[derive(Debug, Default)]
struct Flow {
    written: Vec<u8>,
    read: usize,
    finished: bool,
    /// Whether the flow may end early, since either end has abandoned it.
    abandoned: bool,
    ended: bool,
}

struct Model {
    ends: [Multiplexer; 2],
    streams: Vec<StreamId>,
    flows: HashMap<(StreamId, usize), Flow>,
    next: u8,
}

impl Model {
    fn new(config: Config) -> Self {
        let mut ends = [Role::Client, Role::Server]
            .map(|role| Multiplexer::new(role, config, Framing::Messages, START));
        for (from, to) in [(0, 1), (1, 0)] {
            let first = ends[from].poll_transmit(START).unwrap();
            ends[to].handle_record(first, START).unwrap();
        }
        Self { ends, streams: Vec::new(), flows: HashMap::new(), next: 0 }
    }

    fn stream(&self, number: u8) -> Option<StreamId> {
        let index = usize::from(number).checked_rem(self.streams.len())?;
        Some(self.streams[index])
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Open { end, direction } => {
                let (end, direction) = (usize::from(end), if direction { BI } else { UNI });
                let Some(id) = self.ends[end].open(direction) else { return };
                self.streams.push(id);
                self.flows.insert((id, end), Flow::default());
                if direction == BI {
                    self.flows.insert((id, 1 - end), Flow::default());
                }
            }
            Step::Write { end, stream, length } => self.write(end.into(), stream, length.into()),
            Step::Finish { end, stream } => {
                let Some((id, flow)) = self.flow(stream, end.into()) else { return };
                flow.finished = true;
                if self.ends[usize::from(end)].finish_stream(id).is_err() {
                    self.abandon(id, end.into());
                }
            }
            Step::Reset { end, stream } => {
                let Some((id, flow)) = self.flow(stream, end.into()) else { return };
                flow.abandoned = true;
                self.ends[usize::from(end)].reset(id, 1);
            }
            Step::Stop { end, stream } => {
                let Some((id, flow)) = self.flow(stream, 1 - usize::from(end)) else { return };
                flow.abandoned = true;
                self.ends[usize::from(end)].stop(id, 1);
            }
            Step::Read { end, stream, max } => self.read(end.into(), stream, max.into()),
            Step::Prioritise { end, stream, priority } => {
                let Some((id, _)) = self.flow(stream, end.into()) else { return };
                self.ends[usize::from(end)].set_priority(id, priority.into());
            }
            Step::Deliver { end, records } => {
                for _ in 0..records {
                    self.deliver(end.into());
                }
            }
        }
        for end in &mut self.ends {
            events(end);
            for direction in [BI, UNI] {
                while end.accept(direction).is_some() {}
            }
        }
    }

    /// Returns the flow of a stream that begins at an end.
    fn flow(&mut self, stream: u8, from: usize) -> Option<(StreamId, &mut Flow)> {
        let id = self.stream(stream)?;
        Some((id, self.flows.get_mut(&(id, from))?))
    }

    fn abandon(&mut self, id: StreamId, from: usize) {
        if let Some(flow) = self.flows.get_mut(&(id, from)) {
            flow.abandoned = true;
        }
    }

    fn write(&mut self, end: usize, stream: u8, length: usize) {
        let mut next = self.next;
        let data: Vec<u8> = (0..length)
            .map(|_| {
                next = next.wrapping_mul(31).wrapping_add(7);
                next
            })
            .collect();
        self.next = next;
        let Some((id, _)) = self.flow(stream, end) else { return };
        let written = self.ends[end].write(id, &data);
        let flow = self.flows.get_mut(&(id, end)).unwrap();
        match written {
            Ok(length) => flow.written.extend_from_slice(&data[..length]),
            // The peer's end of the stream has not arrived at this end, or the flow has ended.
            Err(_) => flow.abandoned |= !flow.finished,
        }
    }

    fn read(&mut self, end: usize, stream: u8, max: usize) {
        let Some((id, _)) = self.flow(stream, 1 - end) else { return };
        let received = self.ends[end].read(id, max);
        let flow = self.flows.get_mut(&(id, 1 - end)).unwrap();
        match received {
            Ok(Received::Data(data)) => {
                assert_eq!(data, flow.written[flow.read..flow.read + data.len()]);
                flow.read += data.len();
            }
            Ok(Received::End) => {
                assert!(flow.finished);
                assert_eq!(flow.read, flow.written.len());
                flow.ended = true;
            }
            Ok(Received::Blocked) => assert!(!flow.ended),
            // A stream that has not arrived yet has no half at this end.
            Err(ReceiveError::Stopped) => {}
            Err(error) => assert!(flow.abandoned, "{error:?}"),
        }
    }

    /// Delivers a record to an end, and returns whether there was one.
    fn deliver(&mut self, end: usize) -> bool {
        let Some(record) = self.ends[1 - end].poll_transmit(START) else { return false };
        assert_eq!(self.ends[end].handle_record(record, START), Ok(()));
        true
    }

    /// Delivers and reads until nothing happens, and checks that everything has arrived.
    fn finish(mut self) {
        loop {
            let mut busy = false;
            for end in [0, 1] {
                while self.deliver(end) {
                    busy = true;
                }
            }
            let before: usize = self.flows.values().map(|flow| flow.read).sum();
            for stream in 0..self.streams.len() {
                for end in [0, 1] {
                    for _ in 0..3 {
                        self.read(end, u8::try_from(stream).unwrap(), usize::MAX);
                    }
                }
            }
            self.apply(&Step::Deliver { end: false, records: 0 });
            let after: usize = self.flows.values().map(|flow| flow.read).sum();
            if !busy && before == after {
                break;
            }
        }
        for ((id, from), flow) in &self.flows {
            if !flow.abandoned {
                assert_eq!(flow.read, flow.written.len(), "stream {id} from {from}");
                assert_eq!(flow.ended, flow.finished, "stream {id} from {from}");
            }
        }
        assert_eq!(self.ends.map(|end| end.end().cloned()), [None, None]);
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let place = || (any::<bool>(), any::<u8>());
    prop_oneof![
        2 => any::<(bool, bool)>().prop_map(|(end, direction)| Step::Open { end, direction }),
        6 => (place(), 0..3000u16)
            .prop_map(|((end, stream), length)| Step::Write { end, stream, length }),
        1 => place().prop_map(|(end, stream)| Step::Finish { end, stream }),
        1 => place().prop_map(|(end, stream)| Step::Reset { end, stream }),
        1 => place().prop_map(|(end, stream)| Step::Stop { end, stream }),
        6 => (place(), 1..3000u16)
            .prop_map(|((end, stream), max)| Step::Read { end, stream, max }),
        1 => (place(), any::<i8>())
            .prop_map(|((end, stream), priority)| Step::Prioritise { end, stream, priority }),
        6 => (any::<bool>(), 1..5u8).prop_map(|(end, records)| Step::Deliver { end, records }),
    ]
}

proptest! {
    #[test]
    fn all_data_arrives_in_order_on_every_stream(
        steps in prop::collection::vec(steps(), 1..200),
        stream_window in 1..5000u32,
        session_window in 1..10_000u32,
        send_buffer in 1..5000u32,
        max_streams in 1..5u32,
    ) {
        let config = Config::new()
            .stream_window(stream_window)
            .session_window(session_window)
            .send_buffer(send_buffer)
            .max_bi_streams(max_streams)
            .max_uni_streams(max_streams);
        let mut model = Model::new(config);
        for step in &steps {
            model.apply(step);
        }
        model.finish();
    }
}
