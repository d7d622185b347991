//! The report: one page of HTML with its pictures inside, that needs nothing else.

mod benchmark;
mod colours;
mod contours;
mod distance;
mod film;
mod flow;
mod labelled;
mod labels;
mod landscape;
mod made;
mod mesh;
mod nearest;
mod pictures;
mod section;
mod streamlines;
mod svg;
mod validation;
mod view;

use std::path::Path;

use chreode::evaluate::MemberErrors;
use chreode::exec::files::write_atomically;
use chreode::method::{Choice, FitReport};

pub use benchmark::write_benchmark;
pub use made::OPTIONS;
pub use section::{ModelSection, Observed};
pub use validation::write_validation;

use crate::cells::Data;
use crate::failure::Result;
use crate::output::{estimate, growth_beside_branching, seconds, short};
use pictures::{Figure, Mark};
use svg::escape;

/// What a report shows.
#[derive(Debug)]
pub struct Page<'a> {
    pub title: String,
    /// What a reader has to know first, a paragraph each.
    pub notes: Vec<String>,
    /// A table above all models: header and rows.
    pub comparison: Option<(Vec<&'static str>, Vec<Vec<String>>)>,
    pub data: &'a Data,
    pub models: Vec<ModelSection<'a>>,
}

/// Writes the page.
pub fn write(path: &Path, page: &Page<'_>) -> Result<()> {
    Ok(write_atomically(path, html(page).as_bytes())?)
}

/// Writes the main pictures of a model as one SVG file.
pub fn write_picture(path: &Path, section: &ModelSection<'_>) -> Result<()> {
    let figures = std::iter::once(pictures::trajectories(section)).chain(pictures::growth(section));
    let plots: Vec<String> = figures.map(|figure| figure.svg).collect();
    Ok(write_atomically(path, svg::side_by_side(&plots).as_bytes())?)
}

/// Bytes of a page with its pictures, at most; the rest, up to three megabytes, is its style, its script and what is said above all.
const BYTES: usize = 2_900_000;

fn html(page: &Page<'_>) -> String {
    let mut body = format!("<header><h1>{}</h1>{}", escape(&page.title), data_line(page.data));
    body.extend(page.notes.iter().map(|note| format!("<p>{}</p>", escape(note))));
    body += "</header>\n";
    if let Some((header, rows)) = &page.comparison {
        body += &format!(
            "<section><div class=\"card\"><h3>Measured beside published</h3>{}</div></section>\n",
            table(header, rows)
        );
    }
    // The page's title names a single model.
    let headed = page.models.len() > 1;
    let room = BYTES / page.models.len().max(1);
    body.extend(page.models.iter().map(|section| model(section, headed, room)));
    body += &format!("<script>\n{}</script>\n", film::SCRIPT);
    document(&page.title, &body)
}

/// A page of its own.
fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<main>\n{body}<footer>chreode {}</footer>\n</main>\n</body>\n</html>\n",
        escape(title),
        include_str!("style.css"),
        env!("CARGO_PKG_VERSION")
    )
}

fn data_line(data: &Data) -> String {
    let snapshots = &data.snapshots;
    let cells: usize = (0..snapshots.len()).map(|k| snapshots.count(k)).sum();
    format!(
        "<p class=\"lead\">{cells} cells at {} times, {} coordinate{}</p>",
        snapshots.len(),
        snapshots.dims(),
        if snapshots.dims() == 1 { "" } else { "s" }
    )
}

/// The section of a model, in so many bytes: the film has what the other pictures leave.
fn model(section: &ModelSection<'_>, headed: bool, room: usize) -> String {
    let name = &section.model.info().method;
    // Of several models, each heading says whose it is.
    let heading = if headed { format!("<h2>{}</h2>\n", escape(name)) } else { String::new() };
    let titled = |title: &str| if headed { format!("{title}: {name}") } else { title.to_string() };
    let pictures = pictures_of(section, &titled);
    let film = film::card(section, &titled, room.saturating_sub(pictures.len()));
    let (learned, sampled) = (escape(&learned(section)), sampled(section));
    format!(
        "<section>\n{heading}<p>{learned}{sampled}</p>\n<div class=\"wide\">{film}</div>\n{pictures}</section>\n"
    )
}

/// All that stands below the film.
fn pictures_of(section: &ModelSection<'_>, titled: &dyn Fn(&str) -> String) -> String {
    let mut text = String::new();
    let figure = |of: Figure| figure(&titled(&of.title), &of);
    if let Some(populations) = pictures::populations(section) {
        text += &format!("<div class=\"wide\">{}</div>\n", figure(populations));
    }
    if let Some(labels) = &section.labels {
        text += &format!("<div class=\"cards\">\n{}", figure(labelled::cells(section, labels)));
        text.extend(flow::figure(labels).into_iter().chain(labelled::mass(section, labels)).map(figure));
        if let Err(why) = &labels.fates {
            text += &card(&titled("Fates"), &format!("<p>There are none: {}.</p>", escape(why)));
        }
        text += "</div>\n";
        if let Some(fates) = labelled::fates(section, labels) {
            text += &format!("<div class=\"wide\">{}</div>\n", figure(fates));
        }
    }
    text += "<div class=\"cards\">\n";
    let mut figures = vec![pictures::trajectories(section)];
    figures.extend(streamlines::figure(section));
    figures.extend(pictures::growth(section));
    figures.extend(pictures::growth_errors(section));
    figures.extend(pictures::lineages(section));
    figures.push(pictures::mass(section));
    figures.extend(distance::figure(section));
    text.extend(figures.into_iter().map(figure));
    text += &card(&titled("Measures"), &measures(section));
    if let Some(fitted) = section.fitted {
        text += &figure(pictures::loss(fitted));
        text += &card(&titled("What was chosen"), &chosen(section, fitted.report));
    }
    text += &card(&titled("How it was made"), &made::table_of(section));
    text += "</div>\n";
    if let Some(landscape) = landscape::figure(section) {
        text += &format!("<div class=\"wide\">{}</div>\n", figure(landscape));
    }
    text
}

/// What a model is made of, and how long that took, where it is known.
fn learned(section: &ModelSection<'_>) -> String {
    let (model, info) = (section.model, section.model.info());
    let Some(fitted) = section.fitted else {
        return format!(
            "Learned by {}; {} parameters, {} steps.",
            info.method,
            model.parameter_count(),
            info.epochs
        );
    };
    format!(
        "Learned by {}; {} parameters, {} steps, coupling {}, training {}.",
        fitted.options.recipe.parts(),
        model.parameter_count(),
        fitted.report.losses.len(),
        seconds(fitted.report.coupling_seconds),
        seconds(fitted.report.training_seconds)
    )
}

fn sampled(section: &ModelSection<'_>) -> String {
    let mut told = String::new();
    if let Some(most) = section.sample() {
        told += &format!(
            " Predictions and pictures use a sample of at most {most} cells a time, with weights that keep the mass of every snapshot."
        );
    }
    if section.stride() > 1 {
        told += &format!(" Pictures of all times draw one cell in {}.", section.stride());
    }
    told
}

fn card(title: &str, inside: &str) -> String {
    format!("<div class=\"card\"><h3>{}</h3>{inside}</div>\n", escape(title))
}

fn figure(title: &str, figure: &Figure) -> String {
    let entries = figure.legend.iter().map(|(colour, mark, meaning)| {
        let class = match mark {
            Mark::Dot => "dot",
            Mark::Square => "square",
            Mark::Line => "line",
            Mark::Dashes => "dashes",
            Mark::Cross => "cross",
            Mark::Patch => "patch",
        };
        format!("<li><i class=\"{class}\" style=\"color:{colour}\"></i>{meaning}</li>")
    });
    format!(
        "<figure class=\"card\"><h3>{}</h3>{}{}<ul>{}</ul><figcaption>{}</figcaption></figure>\n",
        escape(title),
        figure.svg,
        figure.bar.as_deref().unwrap_or_default(),
        entries.collect::<String>(),
        escape(&figure.caption)
    )
}

fn measures(section: &ModelSection<'_>) -> String {
    let evaluation = match &section.evaluation {
        Ok(evaluation) => evaluation,
        Err(why) => return format!("<p>There are none: {}.</p>", escape(why)),
    };
    let mut rows: Vec<Vec<String>> = evaluation
        .time_points
        .iter()
        .map(|point| {
            let held_out = if section.held_out.contains(&point.time) { " (held out)" } else { "" };
            let show = |value: f64, error: fn(MemberErrors) -> f64| match point.errors {
                Some(errors) => format!("{} ± {}", short(value), short(error(errors))),
                None => short(value),
            };
            vec![
                format!("{}{held_out}", point.time),
                show(point.w1.mean, |errors| errors.w1),
                show(point.w2.mean, |errors| errors.w2),
                show(point.rme.mean, |errors| errors.rme),
            ]
        })
        .collect();
    rows.push(vec![
        "mean".into(),
        short(evaluation.mean_w1.mean),
        String::new(),
        short(evaluation.mean_rme.mean),
    ]);
    format!(
        "{}<p class=\"note\">Every snapshot is predicted from the first by the probability flow. W1 and W2: Wasserstein \
         distances between predicted and observed cells, in the units of the coordinates. RME: relative error of the mass. \
         {}Path action {} (δ = {}).</p>",
        table(&["time", "W1", "W2", "RME"], &rows),
        match section.model.members() {
            1 => String::new(),
            members =>
                format!("±: standard deviation by the cells, from the {members} members of the ensemble. "),
        },
        short(evaluation.action),
        short(section.model.info().delta.unwrap_or(1.0))
    )
}

fn chosen(section: &ModelSection<'_>, report: &FitReport) -> String {
    let row = |choice: &Choice| vec![choice.name.to_string(), short(choice.value), choice.rule.clone()];
    let choices: Vec<Vec<String>> = report.choices.iter().map(row).collect();
    let times = &section.model.info().times;
    let in_blocks = report.couplings.iter().any(|blocks| blocks.len() > 1);
    let intervals: Vec<Vec<String>> = (0..report.pairs.len())
        .map(|k| {
            let (dying, born) = report.unmatched_mass[k];
            let mut row = vec![
                format!("{} → {}", times[k], times[k + 1]),
                report.pairs[k].to_string(),
                short(report.coupling_gap(k)),
                short(dying),
                short(born),
            ];
            if in_blocks {
                row.insert(3, estimate(&report.whole_gaps[k]));
            }
            row
        })
        .collect();
    let mut text = String::new();
    if !choices.is_empty() {
        text += &table(&["parameter", "value", "rule"], &choices);
    }
    if let Some(told) = growth_beside_branching(report) {
        text += &format!("<p class=\"note\">{}.</p>", escape(&told));
    }
    let mut parts = String::new();
    if let Some(rollout) = &report.rollout {
        let row =
            |(name, value): (&str, f64)| vec![name.replace('_', " "), short(value), meaning(name).into()];
        let rows: Vec<Vec<String>> = rollout.last_terms().map(row).collect();
        parts = table(&["part of the last loss", "value", "meaning"], &rows);
    }
    if intervals.is_empty() {
        return text + &parts;
    }
    let header: &[&str] = if in_blocks {
        &["interval", "pairs", "gap", "gap of the whole", "dying", "born"]
    } else {
        &["interval", "pairs", "gap", "dying", "born"]
    };
    text += &table(header, &intervals);
    text += &format!(
        "<p class=\"note\">Pairs: coupled pairs of cells. Gap: certified duality gap of the coupling, relative to its value{}. \
         Dying and born: mass of cells that have no partner within reach.</p>",
        if in_blocks {
            "; it was made in blocks, and this is the largest of theirs. How much dearer it is than the best coupling of all cells at \
             the most is estimated beside it; 1 says nothing"
        } else {
            ""
        }
    );
    text + &parts
}

/// What a term of a rollout's loss is.
fn meaning(term: &str) -> &'static str {
    match term {
        "transport" => "W2² over the dimension",
        "density" => "mean distance to the nearest cells beyond the hinge",
        "mass" => "square of the relative error of the total",
        "local_mass" => "squares of the errors of the particles' own masses",
        "energy" => "of the paths",
        "negative_mass" => "mean of what weights fall below zero",
        "branch_mass" => "mean square of what the weights in each branch miss at the end",
        "residual" => "mean square of what the optimality condition misses",
        "initial_density" => "mean square error of its logarithm",
        "density_from_start" => "mean square error of the first snapshot's density, carried to the others",
        "density_from_previous" => "the same of each snapshot's, carried to the next one",
        "kernel_variance" => "of the kernels that these densities were made with",
        _ => "",
    }
}

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
    };
    let head = cells("th", &mut header.iter().copied());
    let body: String = rows
        .iter()
        .map(|row| format!("<tr>{}</tr>", cells("td", &mut row.iter().map(String::as_str))))
        .collect();
    format!("<div class=\"scroll\"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
}
