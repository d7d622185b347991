//! What a computation costs in processor time, where the system tells.

use std::fs;

use super::threads::Threads;

/// The seconds that this thread has run on a processor; none where the system does not tell. On Linux it does, to the
/// nanosecond, without its waiting for a processor that others use.
fn of_this_thread() -> Option<f64> {
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = told.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds as f64 * 1e-9)
}

/// The seconds that all of `threads` together have run on processors, told between two computations: the difference is what
/// the one between them took.
pub(crate) fn cpu_seconds(threads: &Threads) -> Option<f64> {
    threads.run(|| rayon::broadcast(|_| of_this_thread()).into_iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    #[cfg(target_os = "linux")]
    fn work_is_counted_and_sleep_is_not() {
        let threads = Threads::new(2).unwrap();
        let before = cpu_seconds(&threads).unwrap();
        threads.run(|| std::thread::sleep(Duration::from_millis(300)));
        let slept = cpu_seconds(&threads).unwrap();
        assert!(slept - before < 0.2, "{}", slept - before);
        let started = Instant::now();
        let mut steps = 0u64;
        // A hundred milliseconds of work, however long they take to get.
        while cpu_seconds(&threads).unwrap() - slept < 0.1 {
            threads.run(|| (0..100_000u64).for_each(|i| steps = std::hint::black_box(steps ^ i)));
            assert!(started.elapsed() < Duration::from_secs(60), "no work is counted");
        }
    }
}
