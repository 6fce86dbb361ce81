//! What running tasks take of pools, and which waiting task may start.
//!
//! A task takes all that it uses at once, when it starts, and gives it back when it ends: it never waits for one pool
//! while it holds another, so no two tasks wait for each other. Tasks that use the same wait in one line. Of the lines
//! whose first task fits, the most urgent one starts.
//!
//! A task that needs much would wait for ever beside many that need little. So a line counts how often others that use
//! its pools start while its own task does not fit. After [`PATIENCE`] of them it is due: until its task has started,
//! nothing else takes anything of its pools. Lines that are due follow each other in the order in which they became so.
//!
//! A task whose command is executed elsewhere gives back what it took of this machine, and keeps the rest. When it comes
//! back, it takes that again, whether it is there or not: what is missing is owed, and others wait until it is paid.
//!
//! Pure bookkeeping. Knows nothing about what a task does.

use std::collections::{BinaryHeap, HashMap};

use crate::model::{Capacity, Pool, TaskId, Use, Workspace};
use crate::process::machine;

/// How many others may start before a task that does not fit.
const PATIENCE: u32 = 8;

/// The pools of a build, and the tasks that wait for them, each known by its urgency.
pub struct Pools<U> {
    capacity: Vec<u64>,
    /// What is left of each.
    room: Vec<u64>,
    /// What was taken of each although it was not there.
    owed: Vec<u64>,
    /// Whether each is a part of this machine.
    of_machine: Vec<bool>,
    lines: Vec<Line<U>>,
    /// The position of the line of tasks with these uses.
    line_of: HashMap<Vec<Use>, usize>,
    /// How many lines have become due so far.
    came_due: u64,
}

/// Tasks that use the same.
struct Line<U> {
    uses: Vec<Use>,
    waiting: BinaryHeap<U>,
    /// How many others started while the first task did not fit.
    passed: u32,
    /// When it became due, as a number that grows.
    due: Option<u64>,
}

impl<U: Ord + Copy> Pools<U> {
    /// Creates the pools for a build of `tasks`. Looks at the machine only if one of them uses something of it.
    pub fn new(workspace: &Workspace, tasks: &[TaskId]) -> Pools<U> {
        let mut used = vec![false; workspace.pools.len()];
        let uses = tasks.iter().flat_map(|id| &workspace.task(*id).uses);
        uses.for_each(|of| used[of.pool.0 as usize] = true);
        let amount = |(pool, used): (&Pool, bool)| match pool.capacity {
            Capacity::Count(amount) | Capacity::Bytes(amount) => amount,
            Capacity::Cpus if used => machine::cpus(),
            Capacity::Memory if used => machine::memory(),
            Capacity::Cpus | Capacity::Memory => 0,
        };
        let of_machine = |pool: &Pool| matches!(pool.capacity, Capacity::Cpus | Capacity::Memory);
        let of_machine = workspace.pools.iter().map(of_machine).collect();
        Pools::with(workspace.pools.iter().zip(used).map(amount).collect(), of_machine)
    }

    fn with(capacity: Vec<u64>, of_machine: Vec<bool>) -> Pools<U> {
        let owed = vec![0; capacity.len()];
        Pools {
            room: capacity.clone(),
            capacity,
            owed,
            of_machine,
            lines: Vec::new(),
            line_of: HashMap::new(),
            came_due: 0,
        }
    }

    /// Adds a task with these uses.
    pub fn push(&mut self, uses: &[Use], urgency: U) {
        let line = match self.line_of.get(uses) {
            Some(line) => *line,
            None => {
                self.lines.push(Line { uses: uses.to_vec(), waiting: BinaryHeap::new(), passed: 0, due: None });
                self.line_of.insert(uses.to_vec(), self.lines.len() - 1);
                self.lines.len() - 1
            }
        };
        self.lines[line].waiting.push(urgency);
    }

    /// Starts the most urgent task that may start and is more urgent than `other`; takes what it uses.
    pub fn take(&mut self, other: Option<&U>) -> Option<U> {
        let first = |line: &Line<U>| line.waiting.peek().copied();
        let open = (0..self.lines.len()).filter(|line| self.may_start(*line));
        let best = open.filter_map(|line| Some((first(&self.lines[line])?, line))).max_by_key(|(urgency, _)| *urgency);
        // One that is due has waited long enough.
        let (_, chosen) = best
            .filter(|(urgency, line)| self.lines[*line].due.is_some() || other.is_none_or(|other| urgency > other))?;
        let urgency = self.lines[chosen].waiting.pop();
        let Line { uses, passed, due, .. } = &mut self.lines[chosen];
        (*passed, *due) = (0, None);
        uses.iter().for_each(|of| self.room[of.pool.0 as usize] -= amount(&self.capacity, of));
        self.note_passed(chosen);
        urgency
    }

    /// Gives back what a task took when it started.
    pub fn give_back(&mut self, uses: &[Use]) {
        uses.iter().for_each(|of| self.return_to(of));
    }

    fn return_to(&mut self, of: &Use) {
        let (pool, amount) = (of.pool.0 as usize, amount(&self.capacity, of));
        let paid = self.owed[pool].min(amount);
        self.owed[pool] -= paid;
        self.room[pool] += amount - paid;
    }

    /// Gives back what a task took of this machine, because it runs elsewhere.
    pub fn leave(&mut self, uses: &[Use]) {
        for of in uses {
            if self.of_machine[of.pool.0 as usize] {
                self.return_to(of);
            }
        }
    }

    /// Takes again what a task gave back when it left.
    pub fn come_back(&mut self, uses: &[Use]) {
        for of in uses.iter().filter(|of| self.of_machine[of.pool.0 as usize]) {
            let (pool, amount) = (of.pool.0 as usize, amount(&self.capacity, of));
            let taken = self.room[pool].min(amount);
            self.room[pool] -= taken;
            self.owed[pool] += amount - taken;
        }
    }

    /// Returns whether the first task of a line fits, and takes nothing that another line is due for.
    fn may_start(&self, line: usize) -> bool {
        let Line { uses, waiting, due, .. } = &self.lines[line];
        let goes_before = |other: &Line<U>| other.due.is_some_and(|other| due.is_none_or(|own| other < own));
        !waiting.is_empty()
            && self.has_room(uses)
            && !self.lines.iter().any(|other| goes_before(other) && share(uses, &other.uses))
    }

    fn has_room(&self, uses: &[Use]) -> bool {
        uses.iter().all(|of| self.room[of.pool.0 as usize] >= amount(&self.capacity, of))
    }

    /// Counts for every other line that a task has started which takes something that it waits for.
    fn note_passed(&mut self, started: usize) {
        for line in 0..self.lines.len() {
            let other = &self.lines[line];
            if line == started
                || other.waiting.is_empty()
                || other.due.is_some()
                || self.has_room(&other.uses)
                || !share(&other.uses, &self.lines[started].uses)
            {
                continue;
            }
            let other = &mut self.lines[line];
            other.passed += 1;
            if other.passed >= PATIENCE {
                other.due = Some(self.came_due);
                self.came_due += 1;
            }
        }
    }
}

/// Returns how much a task takes of a pool. One that uses more of the machine than there is takes all of it.
fn amount(capacity: &[u64], of: &Use) -> u64 {
    of.amount.min(capacity[of.pool.0 as usize])
}

/// Returns whether both take something of the same pool.
fn share(some: &[Use], others: &[Use]) -> bool {
    some.iter().any(|of| others.iter().any(|other| other.pool == of.pool))
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::*;
    use crate::model::PoolId;

    fn uses(amounts: &[(u32, u64)]) -> Vec<Use> {
        amounts.iter().map(|(pool, amount)| Use { pool: PoolId(*pool), amount: *amount }).collect()
    }

    /// The first of these tasks is the most urgent one.
    fn pools(capacity: &[u64], tasks: &[Vec<Use>]) -> Pools<Reverse<usize>> {
        // The last one is of this machine.
        let of_machine = (1..=capacity.len()).map(|pool| pool == capacity.len()).collect();
        let mut pools = Pools::with(capacity.to_vec(), of_machine);
        tasks.iter().enumerate().for_each(|(task, uses)| pools.push(uses, Reverse(task)));
        pools
    }

    #[test]
    fn what_does_not_fit_waits_for_what_it_needs_and_others_go_before() {
        let tasks = [uses(&[(0, 3)]), uses(&[(0, 2)]), uses(&[(0, 1), (1, 1)]), uses(&[(1, 1)])];
        let mut pools = pools(&[4, 1], &tasks);
        let started: Vec<_> = std::iter::from_fn(|| pools.take(None)).map(|Reverse(task)| task).collect();
        assert_eq!(started, [0, 2]);
        pools.give_back(&tasks[2]);
        assert_eq!(pools.take(None), Some(Reverse(3)));
        assert_eq!(pools.take(None), None, "one of the first pool is left");
        pools.give_back(&tasks[0]);
        assert_eq!(pools.take(None), Some(Reverse(1)));
    }

    #[test]
    fn what_runs_elsewhere_uses_nothing_of_this_machine_until_it_is_back() {
        let tasks = [uses(&[(0, 1), (1, 3)]), uses(&[(1, 2)]), uses(&[(0, 1)]), uses(&[(1, 1)])];
        let mut pools = pools(&[1, 4], &tasks);
        assert_eq!(pools.take(None), Some(Reverse(0)));
        assert_eq!(pools.take(None), Some(Reverse(3)));
        assert_eq!(pools.take(None), None);
        pools.leave(&tasks[0]);
        assert_eq!(pools.take(None), Some(Reverse(1)), "the machine is free, the pool is not");
        assert_eq!(pools.take(None), None);
        pools.come_back(&tasks[0]);
        assert_eq!((pools.room.clone(), pools.owed.clone()), (vec![0, 0], vec![0, 2]));
        pools.give_back(&tasks[1]);
        assert_eq!((pools.room.clone(), pools.owed.clone()), (vec![0, 0], vec![0, 0]), "what was owed");
        pools.give_back(&tasks[0]);
        pools.give_back(&tasks[3]);
        assert_eq!(pools.room, [1, 4]);
    }

    #[test]
    fn what_uses_no_pool_goes_first_if_it_is_more_urgent() {
        let mut pools = pools(&[1], &[uses(&[(0, 1)])]);
        assert_eq!(pools.take(Some(&Reverse(0))), None);
        assert_eq!(pools.take(Some(&Reverse(1))), Some(Reverse(0)));
    }

    #[test]
    fn more_of_the_machine_than_there_is_is_all_of_it() {
        let (much, little) = (uses(&[(0, 100)]), uses(&[(0, 1)]));
        let mut pools = pools(&[8], &[much.clone(), little]);
        assert_eq!(pools.take(None), Some(Reverse(0)));
        assert_eq!(pools.take(None), None);
        pools.give_back(&much);
        assert_eq!(pools.take(None), Some(Reverse(1)));
    }

    /// There is always a small task that is more urgent and fits.
    #[test]
    fn a_heavy_task_does_not_wait_for_ever() {
        let (heavy, small) = (uses(&[(0, 4)]), uses(&[(0, 1)]));
        let mut pools = Pools::with(vec![4], vec![false]);
        pools.push(&heavy, 0);
        let (mut running, mut before) = (0, 0);
        for next in 1..100 {
            pools.push(&small, next);
            match pools.take(None) {
                Some(0) => break,
                Some(_) => (running, before) = (running + 1, before + 1),
                None => {}
            }
            if running == 4 || before == PATIENCE {
                pools.give_back(&small);
                running -= 1;
            }
        }
        assert_eq!((running, before), (0, PATIENCE));
    }

    proptest! {
        /// Whatever tasks there are and in whatever order they end, no pool gives more than it has, and all tasks run.
        #[test]
        fn no_pool_is_overdrawn_and_every_task_runs(
            capacity in prop::collection::vec(1..12u64, 1..4),
            wanted in prop::collection::vec(prop::collection::btree_map(0..3u32, 1..16u64, 1..4), 1..60),
            ends in prop::collection::vec(any::<prop::sample::Index>(), 60),
            late in 0..60usize,
        ) {
            let existing = |uses: &Use| (uses.pool.0 as usize) < capacity.len();
            let tasks: Vec<Vec<Use>> = wanted
                .into_iter()
                .map(|of| of.into_iter().map(|(pool, amount)| Use { pool: PoolId(pool), amount }).filter(existing))
                .map(Iterator::collect)
                .filter(|uses: &Vec<Use>| !uses.is_empty())
                .collect();
            let (first, then) = tasks.split_at(late.min(tasks.len()));
            let mut pools = pools(&capacity, first);
            let mut then = then.iter().enumerate();
            let (mut running, mut done, mut ends) = (Vec::new(), 0, ends.iter().cycle());
            loop {
                while let Some(Reverse(task)) = pools.take(None) {
                    running.push(task);
                    for (pool, has) in capacity.iter().enumerate() {
                        let of = running.iter().flat_map(|task: &usize| &tasks[*task]);
                        let taken: u64 = of.filter(|of| of.pool.0 as usize == pool).map(|of| of.amount.min(*has)).sum();
                        prop_assert!(taken <= *has, "pool {} has {} and gives {}", pool, has, taken);
                    }
                }
                if let Some((position, uses)) = then.next() {
                    pools.push(uses, Reverse(first.len() + position));
                } else if running.is_empty() {
                    break;
                }
                if !running.is_empty() {
                    let ended = running.swap_remove(ends.next().unwrap().index(running.len()));
                    pools.give_back(&tasks[ended]);
                    done += 1;
                }
            }
            prop_assert_eq!(done, tasks.len());
            prop_assert_eq!(&pools.room, &capacity);
        }
    }
}
