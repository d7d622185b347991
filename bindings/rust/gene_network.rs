//! The gene network from Rust: learn its dynamics by USB, measure them, and let fifty of its cells divide and die.
//!
//! ```text
//! cargo run --release --example gene_network
//! ```

use std::fmt::Write;

use chreode::datasets::GeneNetwork;
use chreode::evaluate::protocol::Protocol;
use chreode::exec::progress::silent;
use chreode::exec::stop::Stop;
use chreode::method::{FitOptions, Method, fit};
use chreode::simulate::Particles;
use chreode::simulate::simulation::{Process, Simulation};

const FOUNDERS: usize = 50;

fn main() -> chreode::Result<()> {
    print!("{}", report()?);
    Ok(())
}

/// The lines that the examples of all languages print.
pub fn report() -> chreode::Result<String> {
    let snapshots = GeneNetwork::default().generate()?;
    let mut options = FitOptions::new(Method::Usb);
    (options.delta, options.sigma) = (Some(1.5), Some(0.02));
    (options.training.hidden, options.training.epochs) = (vec![64; 3], 300);
    (options.seed, options.threads) = (11, 2);
    let model = fit(&snapshots, &options, &mut silent)?.dynamics;
    let evaluation = Protocol::default().run(&model, &snapshots, &Stop::default())?;

    let (start, dims) = (snapshots.times()[0], snapshots.dims());
    let rows = snapshots.sample(0, FOUNDERS, 11)?;
    let points = rows.iter().flat_map(|&row| snapshots.point(0, row)).copied().collect();
    let founders = Particles::new(start, dims, points, None)?;
    let simulation = Simulation { process: Process::Branching, seed: 11, ..Default::default() };
    let outcome = simulation.run(&model, &founders, snapshots.times(), &Stop::default())?;

    let mut text = String::new();
    for point in &evaluation.time_points {
        let (w1, rme) = (general(point.w1.mean, 17), general(point.rme.mean, 17));
        line(&mut text, format_args!("time {} W1 {w1} RME {rme}", general(point.time, 6)));
    }
    line(&mut text, format_args!("mean W1 {}", general(evaluation.mean_w1.mean, 17)));
    line(&mut text, format_args!("mean RME {}", general(evaluation.mean_rme.mean, 17)));
    let counts: Vec<String> = outcome.trajectory.frames.iter().map(|frame| frame.len().to_string()).collect();
    line(&mut text, format_args!("population {}", counts.join(" ")));
    let nodes = outcome.lineage.map_or(0, |lineage| lineage.nodes().len());
    line(&mut text, format_args!("lineage {nodes} nodes"));
    Ok(text)
}

fn line(text: &mut String, content: std::fmt::Arguments) {
    writeln!(text, "{content}").expect("a String takes all");
}

/// A number as C's `%.{digits}g` writes it: 17 digits tell every bit of a double.
pub fn general(x: f64, digits: usize) -> String {
    if !x.is_finite() {
        return format!("{x}").to_lowercase();
    }
    let scientific = format!("{x:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("it is scientific");
    let exponent: i32 = exponent.parse().expect("it ends with the exponent");
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", shortened(mantissa), exponent.abs());
    }
    let decimals = digits as i32 - 1 - exponent;
    shortened(&format!("{x:.*}", decimals as usize)).to_string()
}

/// Without the zeros at the end of a fraction.
fn shortened(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}
