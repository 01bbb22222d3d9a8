//! A first look at times; prints, asserts nothing of them.

use std::time::{Duration, Instant};

use towline_testkit::{LabOptions, RelayOptions};

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn times() {
    for rtt in [0, 50] {
        let rig = Rig::with(LabOptions { relay: RelayOptions::rtt(Duration::from_millis(rtt)), ..LabOptions::default() });
        let begun = Instant::now();
        rig.run("true").await;
        println!("rtt {rtt}: first {:?}", begun.elapsed());
        let mut times = Vec::new();
        for _ in 0..40 {
            let begun = Instant::now();
            rig.run("echo hi; echo e >&2").await;
            times.push(begun.elapsed());
        }
        times.sort();
        println!("rtt {rtt}: median {:?} p95 {:?}", times[20], times[37]);
    }
}
