//! Parts whose seal is right and whose content is not, as only a defect or a forger makes them.

use super::data::Fingerprint;
use super::part::seal;
use super::{Inputs, Part, Plan};
use crate::FitOptions;
use crate::exec::progress::silent;
use crate::exec::rng::{Purpose, stream};
use crate::options::Settings;
use crate::snapshots::{MatrixView, Snapshots};
use rand::Rng;

#[test]
fn content_that_is_changed_under_a_right_seal_is_an_error_or_a_model_and_never_a_panic() {
    // Sixty cells at each of three times.
    let points: Vec<f64> = (0..360).map(|i| f64::sin(7.0 * i as f64) + (i / 120) as f64).collect();
    let labels: Vec<f64> = (0..180).map(|row| (row / 60) as f64).collect();
    let snapshots = Snapshots::new(MatrixView::from_f64(&points, 180, 2).unwrap(), &labels, None).unwrap();
    let inputs = Inputs { snapshots: &snapshots, model: None };
    for more in [("chunk_size", "30"), ("ensemble", "2")] {
        let mut settings = Settings::<FitOptions>::default();
        let short = [("epochs", "2"), ("batch_size", "5"), ("hidden", "4x1"), more];
        short.iter().for_each(|(name, text)| settings.set(name, text).unwrap());
        let plan = Plan::fit(&snapshots, &settings, 1, &mut silent).unwrap();
        let tasks = 0..plan.tasks().len();
        let parts: Vec<Vec<u8>> = tasks.map(|task| plan.run(inputs, task, 1, &mut silent).unwrap()).collect();
        let of_plan = Fingerprint::parse(&plan.fingerprint()).unwrap();
        let (_, result) = Part { name: "", bytes: &parts[0] }.open(of_plan, parts.len()).unwrap();
        let mut rng = stream(2, Purpose::Dataset, 0, 0);
        let (mut refused, mut taken) = (0, 0);
        for round in 0..400 {
            let mut changed = result.to_vec();
            // In the header of the arrays, where every byte means something, or anywhere.
            let span = if round % 2 == 0 { changed.len().min(1200) } else { changed.len() };
            let at = rng.next_u64() as usize % span;
            match rng.next_u32() % 3 {
                0 => changed[at] ^= 1 << (rng.next_u32() % 8),
                1 => changed[at] = b'0' + (rng.next_u32() % 10) as u8,
                _ => changed.truncate(at),
            }
            let sealed = seal(of_plan, 0, &changed);
            let bad = Part { name: "it", bytes: &sealed };
            let others = parts[1..].iter().map(|bytes| Part { name: "another", bytes });
            match plan.finish_fit(&snapshots, std::iter::once(bad).chain(others), 1, &mut silent) {
                Err(_) => refused += 1,
                Ok(fitted) => {
                    let _ = fitted.report.to_json();
                    taken += 1;
                }
            }
        }
        assert!(refused > 100 && taken > 0, "{refused} refused, {taken} taken");
    }
}
