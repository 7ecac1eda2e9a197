//! Simulations of several nodes whose presences exchange messages over a faulty bus, in virtual
//! time.

mod acts;
mod bus;
mod every_leave_has_a_cause_and_all_nodes_agree_in_the_end;
mod model;
mod observer;
mod rng;
mod world;
