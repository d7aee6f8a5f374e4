//! Which tasks may run now: those whose dependencies are done and whose locks nobody stands in the way of
//! (`restore_toc_entries_parallel`, `has_lock_conflicts` and `reduce_dependencies` in `pg_backup_archiver.c`).
//!
//! Pure: it neither runs anything nor waits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// One thing to do, or a mere link in a chain of dependencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Unique.
    pub id: u32,
    /// Tasks that have to be done before. Ids that are no tasks count as done.
    pub dependencies: Vec<u32>,
    /// Tables that it uses.
    pub uses: Vec<u32>,
    /// It needs the tables that it uses for itself.
    pub exclusive: bool,
    /// Larger ones are begun first.
    pub size: u64,
    /// There is nothing to run: it is done as soon as its dependencies are.
    pub only_a_link: bool,
}

/// The state of all tasks.
#[derive(Debug, Default)]
pub struct Schedule {
    tasks: HashMap<u32, Task>,
    dependents: HashMap<u32, Vec<u32>>,
    /// How many dependencies are left, of tasks that wait.
    waiting: BTreeMap<u32, usize>,
    ready: BTreeSet<(Reverse<u64>, u32)>,
    running: BTreeSet<u32>,
}

impl Schedule {
    /// Takes the tasks, in any order.
    pub fn new(tasks: impl IntoIterator<Item = Task>) -> Schedule {
        let tasks: HashMap<u32, Task> = tasks.into_iter().map(|task| (task.id, task)).collect();
        let mut schedule = Schedule::default();
        let mut ready = Vec::new();
        for task in tasks.values() {
            let open: HashSet<u32> = task
                .dependencies
                .iter()
                .copied()
                .filter(|id| *id != task.id && tasks.contains_key(id))
                .collect();
            for dependency in &open {
                schedule
                    .dependents
                    .entry(*dependency)
                    .or_default()
                    .push(task.id);
            }
            if open.is_empty() {
                ready.push(task.id);
            } else {
                schedule.waiting.insert(task.id, open.len());
            }
        }
        schedule.tasks = tasks;
        ready.into_iter().for_each(|id| schedule.make_ready(id));
        schedule
    }

    /// The next task to run, marked as running; `None` when nothing can be begun now.
    pub fn begin(&mut self) -> Option<u32> {
        let next = *self.ready.iter().find(|(_, id)| !self.is_in_the_way(*id))?;
        self.ready.remove(&next);
        self.running.insert(next.1);
        Some(next.1)
    }

    /// A running task is done.
    pub fn finish(&mut self, id: u32) {
        self.running.remove(&id);
        self.release(id);
    }

    /// Whether a task that was begun has been finished.
    pub fn is_done(&self, id: u32) -> bool {
        !self.running.contains(&id)
    }

    /// Breaks a circle: the task with the lowest id among those that wait needs to wait no longer. `None` when none waits.
    pub fn break_circle(&mut self) -> Option<u32> {
        let id = *self.waiting.keys().next()?;
        self.waiting.remove(&id);
        self.make_ready(id);
        Some(id)
    }

    fn make_ready(&mut self, id: u32) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        if task.only_a_link {
            self.release(id);
        } else {
            self.ready.insert((Reverse(task.size), id));
        }
    }

    /// Takes a task off those that wait for it. A loop, as chains of links may be long.
    fn release(&mut self, done: u32) {
        let mut done = vec![done];
        while let Some(id) = done.pop() {
            for dependent in self.dependents.remove(&id).unwrap_or_default() {
                let Some(left) = self.waiting.get_mut(&dependent) else {
                    continue;
                };
                *left -= 1;
                if *left > 0 {
                    continue;
                }
                self.waiting.remove(&dependent);
                match self.tasks.get(&dependent) {
                    Some(task) if task.only_a_link => done.push(dependent),
                    Some(task) => {
                        self.ready.insert((Reverse(task.size), dependent));
                    }
                    None => {}
                }
            }
        }
    }

    fn is_in_the_way(&self, id: u32) -> bool {
        let Some(task) = self.tasks.get(&id) else {
            return false;
        };
        self.running
            .iter()
            .filter_map(|running| self.tasks.get(running))
            .any(|other| {
                (task.exclusive || other.exclusive)
                    && task.uses.iter().any(|table| other.uses.contains(table))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(id: u32, table: u32) -> Task {
        Task {
            id,
            uses: vec![table],
            ..Task::default()
        }
    }

    fn constraint(id: u32, tables: &[u32], dependencies: &[u32]) -> Task {
        Task {
            id,
            dependencies: dependencies.to_vec(),
            uses: tables.to_vec(),
            exclusive: true,
            ..Task::default()
        }
    }

    fn begun(schedule: &mut Schedule) -> Vec<u32> {
        std::iter::from_fn(|| schedule.begin()).collect()
    }

    #[test]
    fn indexes_of_a_table_are_built_at_once_and_constraints_one_by_one() {
        let mut schedule = Schedule::new([
            index(10, 1),
            index(11, 1),
            constraint(12, &[1], &[]),
            constraint(13, &[2], &[]),
        ]);
        assert_eq!(begun(&mut schedule), [10, 11, 13]);
        schedule.finish(10);
        assert_eq!(begun(&mut schedule), [0; 0]);
        schedule.finish(11);
        assert_eq!(begun(&mut schedule), [12]);
    }

    #[test]
    fn foreign_keys_wait_for_both_sides() {
        let mut schedule = Schedule::new([
            constraint(10, &[1], &[1]),
            constraint(11, &[2], &[2]),
            constraint(12, &[1, 2], &[10, 11]),
            constraint(13, &[2, 1], &[10, 11]),
        ]);
        assert_eq!(begun(&mut schedule), [10, 11]);
        schedule.finish(11);
        schedule.finish(10);
        // Two that share tables would wait for each other's locks.
        assert_eq!(begun(&mut schedule), [12]);
        schedule.finish(12);
        assert_eq!(begun(&mut schedule), [13]);
    }

    #[test]
    fn links_pass_dependencies_on_and_larger_tasks_come_first() {
        let link = |id, dependency| Task {
            id,
            dependencies: vec![dependency],
            only_a_link: true,
            ..Task::default()
        };
        let sized = |id, size, dependency| Task {
            id,
            size,
            dependencies: vec![dependency],
            ..Task::default()
        };
        let mut schedule = Schedule::new([
            sized(1, 0, 1),
            link(2, 1),
            link(3, 2),
            sized(4, 5, 3),
            sized(5, 9, 3),
        ]);
        assert_eq!(begun(&mut schedule), [1]);
        schedule.finish(1);
        assert_eq!(begun(&mut schedule), [5, 4]);
    }

    #[test]
    fn a_circle_is_broken() {
        let mut schedule = Schedule::new([constraint(1, &[], &[2]), constraint(2, &[], &[1])]);
        assert_eq!(begun(&mut schedule), [0; 0]);
        assert_eq!(schedule.break_circle(), Some(1));
        assert_eq!(begun(&mut schedule), [1]);
        assert!(!schedule.is_done(1));
        schedule.finish(1);
        assert!(schedule.is_done(1));
        assert_eq!(begun(&mut schedule), [2]);
        assert_eq!(schedule.break_circle(), None);
    }
}
