//! Models of tasks that wait for capacity while a worker writes, which `ci/models.sh` runs.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::{block_on, check};

const MAX: usize = 10;

#[test]
fn model_a_task_that_waits_for_capacity_is_notified() {
    check(3, || {
        let capacity = Arc::new(SendCapacity::new());
        assert!(capacity.try_reserve(8, MAX));
        let worker = thread::spawn({
            let capacity = capacity.clone();
            move || {
                capacity.on_executed(8);
                capacity.on_all_written();
            }
        });
        block_on(capacity.wait_until(|| capacity.has_capacity(8, MAX)));
        assert!(capacity.try_reserve(8, MAX));
        worker.join().unwrap();
    });
}

#[test]
fn model_all_tasks_that_wait_are_notified() {
    check(2, || {
        let capacity = Arc::new(SendCapacity::new());
        assert!(capacity.try_reserve(8, MAX));
        let waiting = || {
            let capacity = capacity.clone();
            thread::spawn(move || block_on(capacity.wait_until(|| capacity.has_capacity(8, MAX))))
        };
        let tasks = [waiting(), waiting()];
        capacity.on_executed(8);
        capacity.on_all_written();
        for task in tasks {
            task.join().unwrap();
        }
    });
}
