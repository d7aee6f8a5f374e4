//! When a run is killed.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use end_to_end::Project;

/// How many runs of a kind are killed.
pub fn kills() -> usize {
    let wanted = std::env::var("ORCHESTRATOR_TEST_KILLS").ok();
    wanted.map_or(10, |number| {
        number.parse().expect("ORCHESTRATOR_TEST_KILLS is a number")
    })
}

/// Random moments between the start of a run and its end.
pub struct Moments {
    state: u64,
    longest: Duration,
}

impl Moments {
    /// Of runs that take as long as this one, which nobody disturbs.
    pub fn of(run: impl FnOnce()) -> Self {
        let seed = match std::env::var("ORCHESTRATOR_TEST_SEED") {
            Ok(seed) => seed.parse().expect("ORCHESTRATOR_TEST_SEED is a number"),
            Err(_) => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .expect("a clock")
                .subsec_nanos()
                .into(),
        };
        let began = Instant::now();
        run();
        let longest = began.elapsed();
        eprintln!("ORCHESTRATOR_TEST_SEED={seed}, undisturbed {longest:?}");
        Self {
            state: seed,
            longest,
        }
    }

    /// SplitMix64: neighbouring seeds give unrelated moments.
    pub fn next(&mut self) -> Duration {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
        self.longest.mul_f64(share)
    }
}

/// Starts the program and kills it after so long, if it has not succeeded by then.
pub fn kill_after(project: &Project, arguments: &[&str], moment: Duration) {
    let mut child = project
        .command(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(moment);
    child.kill().expect("it is killed, or ended already");
    let status = child.wait().expect("the program ends");
    assert!(
        matches!(status.code(), None | Some(0)),
        "it failed by itself: {status}"
    );
}
