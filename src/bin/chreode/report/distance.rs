//! W1 to the observed cells over time, beside what can be had and what need not be learned.

use chreode::evaluate::wasserstein::wasserstein1;
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::statistics::Estimate;
use chreode::transport::PointCloud;

use super::colours::{GREY, PALETTE};
use super::pictures::{Curve, Figure, Mark, interval};
use super::section::ModelSection;
use super::svg::{Axis, Plot, Stroke};
use crate::simulate::choose;

/// W1 at each later time, of the prediction, of the first snapshot as it is, and between two halves of the cells.
pub fn figure(section: &ModelSection<'_>) -> Option<Figure> {
    let evaluation = section.evaluation.as_ref().ok()?;
    let points = || evaluation.time_points.iter().filter(|point| point.w1.mean.is_finite());
    let predicted: Curve = points().map(|point| (point.time, point.w1.mean)).collect();
    let with_error = |point: &chreode::evaluate::TimePoint| {
        Some((point.time, Estimate { mean: point.w1.mean, sd: point.errors?.w1 }))
    };
    let band =
        points().map(with_error).collect::<Option<Vec<_>>>().map(|of| interval(&of)).unwrap_or_default();
    let band: Curve = band.into_iter().map(|(time, w1)| (time, w1.max(0.0))).collect();
    let snapshots = &section.shown;
    let later = 1..snapshots.len();
    let all = |k: usize| (0..snapshots.count(k)).collect::<Vec<_>>();
    let still = later
        .clone()
        .filter_map(|k| w1(snapshots, (0, &all(0)), (k, &all(k))).map(|w1| (snapshots.times()[k], w1)));
    let halves = later.filter_map(|k| {
        let count = snapshots.count(k);
        let one = choose(count, count / 2, section.seed);
        let other: Vec<usize> = (0..count).filter(|row| one.binary_search(row).is_err()).collect();
        Some((snapshots.times()[k], w1(snapshots, (k, &one), (k, &other))?))
    });
    let (still, halves): (Curve, Curve) = (still.collect(), halves.collect());
    let values = predicted.iter().chain(&band).chain(&still).chain(&halves).map(|point| point.1);
    let times = Axis::around("time", snapshots.times().iter().copied());
    let mut plot = Plot::new(times, Axis::around("W1 to the observed cells", values).down_to_zero(), 0.62);
    let mut legend = vec![(PALETTE[0].into(), Mark::Line, "predicted".into())];
    if !band.is_empty() {
        plot.tint(band.into_iter(), PALETTE[0], 0.25);
        legend.push(("#bfdbec".into(), Mark::Patch, "its 90 % interval".into()));
    }
    for (curve, dashed, name) in [(still, true, "nothing moves"), (halves, false, "two halves of the cells")]
    {
        let stroke = Stroke::new(GREY, 1.6);
        plot.lines(std::iter::once(curve.iter().copied()), if dashed { stroke.dashed() } else { stroke });
        plot.dots(curve.into_iter(), 4.0, GREY, 1.0);
        legend.push((GREY.into(), if dashed { Mark::Dashes } else { Mark::Line }, name.into()));
    }
    plot.lines(std::iter::once(predicted.iter().copied()), Stroke::new(PALETTE[0], 2.0));
    plot.dots(predicted.into_iter(), 7.0, PALETTE[0], 1.0);
    Some(Figure {
        title: "Distance to the observed cells".into(),
        svg: plot.finish("W1 to the observed cells at each time"),
        bar: None,
        legend,
        caption: "Nothing moves: the first snapshot as it is. Two halves of the cells are this far from each other by chance; \
                  predictions of the very cells of a fit can be below. How well cells are predicted that were not fitted, chreode validate \
                  tells."
            .into(),
    })
}

/// W1 between some cells of two snapshots; none where either side has no mass.
fn w1(snapshots: &Snapshots, one: (usize, &[usize]), other: (usize, &[usize])) -> Option<f64> {
    let cloud = |(k, rows): (usize, &[usize])| {
        let points: Vec<f32> = rows.iter().flat_map(|&row| snapshots.point(k, row)).copied().collect();
        let weights: Vec<f64> = rows.iter().map(|&row| snapshots.weights(k)[row]).collect();
        let view = MatrixView::from_f32(&points, rows.len(), snapshots.dims()).ok()?;
        PointCloud::new(view, Some(&weights)).ok()
    };
    wasserstein1(&cloud(one)?, &cloud(other)?).ok()
}
