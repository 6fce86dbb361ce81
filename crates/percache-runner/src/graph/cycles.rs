//! Finds cycles among tasks.
//!
//! Knows nothing of why one task needs another.

use std::collections::VecDeque;

use crate::model::TaskId;

/// Returns one shortest cycle of every group of tasks that need each other, in order: each needs the next, the last the
/// first. The cycles are sorted by their first task, which is the smallest of its group.
///
/// The groups are the strongly connected components (Tarjan 1972), found without recursion because graphs are as deep
/// as users make them.
pub fn cycles(needs: &[Vec<TaskId>]) -> Vec<Vec<TaskId>> {
    let component = components(needs);
    let mut size = vec![0usize; needs.len()];
    for &of in &component {
        size[of as usize] += 1;
    }
    let mut found = vec![false; needs.len()];
    let mut cycles = Vec::new();
    for id in (0..needs.len() as u32).map(TaskId) {
        let of = component[id.index()] as usize;
        let in_cycle = size[of] > 1 || needs[id.index()].contains(&id);
        if in_cycle && !std::mem::replace(&mut found[of], true) {
            cycles.extend(shortest(needs, &component, id));
        }
    }
    cycles
}

/// Finds the shortest path from `start` back to itself. It stays in its component.
fn shortest(needs: &[Vec<TaskId>], component: &[u32], start: TaskId) -> Option<Vec<TaskId>> {
    let mut from: Vec<Option<TaskId>> = vec![None; needs.len()];
    let mut open = VecDeque::from([start]);
    while let Some(id) = open.pop_front() {
        for &next in needs[id.index()].iter().filter(|next| component[next.index()] == component[start.index()]) {
            if next == start {
                let mut cycle: Vec<TaskId> = std::iter::successors(Some(id), |id| from[id.index()]).collect();
                cycle.reverse();
                return Some(cycle);
            }
            if from[next.index()].is_none() {
                from[next.index()] = Some(id);
                open.push_back(next);
            }
        }
    }
    None
}

/// Returns the number of each task's strongly connected component: two tasks need each other, directly or not, if they
/// are in the same one.
pub fn components(needs: &[Vec<TaskId>]) -> Vec<u32> {
    const NEW: u32 = u32::MAX;
    let count = needs.len();
    let (mut index, mut low, mut component) = (vec![NEW; count], vec![0u32; count], vec![NEW; count]);
    let (mut stack, mut calls, mut next_index, mut next_component) = (Vec::new(), Vec::new(), 0, 0);
    for start in 0..count {
        if index[start] != NEW {
            continue;
        }
        calls.push((start, 0));
        while let Some((node, edge)) = calls.pop() {
            if edge == 0 {
                (index[node], low[node]) = (next_index, next_index);
                next_index += 1;
                stack.push(node);
            }
            if let Some(next) = needs[node].get(edge).map(|id| id.index()) {
                calls.push((node, edge + 1));
                if index[next] == NEW {
                    calls.push((next, 0));
                } else if component[next] == NEW {
                    low[node] = low[node].min(index[next]);
                }
                continue;
            }
            if low[node] == index[node] {
                while let Some(member) = stack.pop() {
                    component[member] = next_component;
                    if member == node {
                        break;
                    }
                }
                next_component += 1;
            }
            if let Some(&(caller, _)) = calls.last() {
                low[caller] = low[caller].min(low[node]);
            }
        }
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edges: &[&[u32]]) -> Vec<Vec<u32>> {
        let needs: Vec<Vec<TaskId>> = edges.iter().map(|to| to.iter().copied().map(TaskId).collect()).collect();
        cycles(&needs).into_iter().map(|cycle| cycle.into_iter().map(|id| id.0).collect()).collect()
    }

    #[test]
    fn a_graph_without_cycles_has_none() {
        assert_eq!(found(&[&[1, 2], &[2], &[], &[0, 1, 2]]), Vec::<Vec<u32>>::new());
        assert_eq!(found(&[]), Vec::<Vec<u32>>::new());
    }

    #[test]
    fn every_cycle_is_found_once_and_in_order() {
        assert_eq!(found(&[&[0]]), [[0]]);
        assert_eq!(found(&[&[1], &[2], &[0]]), [[0, 1, 2]]);
        assert_eq!(found(&[&[1], &[0], &[3], &[2], &[0, 2]]), [[0, 1], [2, 3]]);
        assert_eq!(found(&[&[1], &[2], &[3, 0], &[0]]), [[0, 1, 2]], "the shortest of the group");
    }

    #[test]
    fn depth_is_no_limit() {
        let mut edges: Vec<Vec<TaskId>> = (1..200_000).map(|next| vec![TaskId(next)]).collect();
        edges.push(vec![TaskId(0)]);
        assert_eq!(cycles(&edges)[0].len(), 200_000);
    }
}
