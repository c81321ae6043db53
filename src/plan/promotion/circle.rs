//! Places that would be promoted from themselves, by way of others. The configuration refuses environments that do so; rules and
//! annotations can still send single places round.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::plan::Snapshot;
use crate::plan::promotion::Obstacle;
use crate::plan::promotion::words::place_in_words;

/// Gives the places that are part of a circle, each with its way round: itself, what is upstream of it, and so on.
/// `upstream` has for each place those that it takes from.
pub(super) fn circles(upstream: &BTreeMap<usize, Vec<usize>>) -> BTreeMap<usize, Vec<usize>> {
    upstream.keys().filter_map(|place| Some((*place, way_round(*place, upstream)?))).collect()
}

/// Finds the shortest way from a place back to it.
fn way_round(place: usize, upstream: &BTreeMap<usize, Vec<usize>>) -> Option<Vec<usize>> {
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut next = VecDeque::from([place]);
    while let Some(here) = next.pop_front() {
        for from in upstream.get(&here).into_iter().flatten() {
            if *from == place {
                let back = |at: &usize| came_from.get(at).copied();
                let mut way: Vec<usize> = std::iter::successors(Some(here), back).collect();
                way.reverse();
                return Some(way);
            }
            came_from.entry(*from).or_insert_with(|| {
                next.push_back(*from);
                here
            });
        }
    }
    None
}

/// Says that a place would be promoted from itself.
pub(super) fn in_a_circle(snapshot: &Snapshot, way: &[usize]) -> Obstacle {
    let places = way.iter().chain(way.first()).filter_map(|index| snapshot.subjects.get(*index));
    let names: Vec<String> = places.map(|subject| place_in_words(subject)).collect();
    Obstacle { code: "promotion/circle", message: format!("it is promoted in a circle: {}", names.join(" from ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edges: &[(usize, &[usize])]) -> Vec<(usize, Vec<usize>)> {
        circles(&edges.iter().map(|(place, from)| (*place, from.to_vec())).collect()).into_iter().collect()
    }

    #[test]
    fn only_what_comes_back_to_itself_is_in_a_circle() {
        assert_eq!(found(&[(1, &[0]), (2, &[1]), (3, &[1, 2])]), []);
        assert_eq!(found(&[(1, &[2]), (2, &[1])]), [(1, vec![1, 2]), (2, vec![2, 1])]);
        // What is upstream or downstream of one, or between two, is not in one.
        assert_eq!(found(&[(1, &[2, 0]), (2, &[1]), (3, &[2])]), [(1, vec![1, 2]), (2, vec![2, 1])]);
        let between = found(&[(1, &[2]), (2, &[1]), (3, &[1]), (4, &[5, 3]), (5, &[4])]);
        assert_eq!(between.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 2, 4, 5]);
        // The shortest way counts.
        assert_eq!(found(&[(1, &[2, 3]), (2, &[3]), (3, &[1])])[0], (1, vec![1, 3]));
    }
}
