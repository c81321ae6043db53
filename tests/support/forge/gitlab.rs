use super::call::{Answer, Call};
use super::state::State;

pub fn answer(_state: &mut State, _call: &Call) -> Answer {
    Answer::empty(404)
}
