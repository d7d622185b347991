//! A plot as SVG: a frame with axes, and marks in data coordinates.

use std::fmt::Write;

/// An axis: what it measures and from where to where.
#[derive(Debug, Clone)]
pub struct Axis {
    pub label: String,
    pub from: f64,
    pub to: f64,
    pub logarithmic: bool,
}

impl Axis {
    /// An axis that holds `values` with a little room at either end.
    pub fn around(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        // A constant coordinate is shown in the middle of an axis of its own magnitude.
        let room = if high > low { 0.04 * (high - low) } else { 0.5 * low.abs().max(1.0) };
        Self { label: label.into(), from: low - room, to: high + room, logarithmic: false }
    }

    /// The same axis, beginning at zero or below, with room at the other end for its new length.
    pub fn down_to_zero(mut self) -> Self {
        if self.from > 0.0 {
            self.from = 0.0;
            self.to *= 1.04;
        }
        self
    }

    /// A logarithmic axis that holds the positive ones of `values`.
    pub fn logarithmic(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let logs = values.filter(|&v| v > 0.0).map(f64::log10);
        Self { logarithmic: true, ..Self::around(label, logs) }
    }

    fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.log10() } else { value };
        (value - self.from) / (self.to - self.from)
    }

    /// Places along the axis (0 to 1) and what is written there.
    fn ticks(&self) -> Vec<(f64, String)> {
        if !self.logarithmic {
            return self.linear_ticks(self.from, self.to);
        }
        let ticks = self.logarithmic_ticks();
        // Within a part of a decade, few round numbers of a logarithmic scale are seen.
        if ticks.len() < 3 { self.linear_ticks(10f64.powf(self.from), 10f64.powf(self.to)) } else { ticks }
    }

    /// Evenly spaced values between two.
    fn linear_ticks(&self, from: f64, to: f64) -> Vec<(f64, String)> {
        let step = nice_step((to - from) / 5.0);
        let (first, last) = ((from / step).ceil(), (to / step).floor());
        let large = from.abs().max(to.abs());
        let label = |value: f64| {
            if !(1e-3..1e7).contains(&large) {
                // As many digits as tell neighbouring ticks apart.
                let digits = (large / step).log10().ceil().clamp(0.0, 12.0) as usize;
                let text = if value == 0.0 { "0".into() } else { format!("{value:.digits$e}") };
                return text.replace('-', "−");
            }
            let decimals = (-step.log10().floor()).max(0.0) as usize;
            format!("{value:.decimals$}").replace('-', "−")
        };
        // An axis narrower than the rounding of its values has no ticks to count.
        let count = if last - first < 20.0 { (last - first) as usize } else { 0 };
        (0..=count).map(|i| (first + i as f64) * step).map(|v| (self.place(v), label(v))).collect()
    }

    fn logarithmic_ticks(&self) -> Vec<(f64, String)> {
        let decades = (self.to - self.from).max(0.0);
        let factors: &[f64] = match decades {
            d if d < 0.7 => &[1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            d if d < 1.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let stride = (decades / 6.0).ceil().max(1.0) as usize;
        let exponents = (self.from.floor() as i32..=self.to.ceil() as i32).step_by(stride);
        let values = exponents.flat_map(|e| factors.iter().map(move |f| f * 10f64.powi(e)));
        let visible = values.filter(|v| (self.from..=self.to).contains(&v.log10()));
        visible.map(|v| (self.place(v), crate::output::short(v))).collect()
    }
}

/// 1, 2 or 5 times a power of ten, near `step`.
pub fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].into_iter().find(|n| n * power >= step * 0.75).unwrap_or(10.0);
    nice * power
}

/// How a line looks.
#[derive(Debug, Clone, Copy)]
pub struct Stroke<'a> {
    pub colour: &'a str,
    pub width: f64,
    pub opacity: f64,
    pub dashed: bool,
}

impl<'a> Stroke<'a> {
    pub fn new(colour: &'a str, width: f64) -> Self {
        Self { colour, width, opacity: 1.0, dashed: false }
    }

    pub fn faint(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }

    pub fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }

    fn attributes(&self) -> String {
        let dashes = if self.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        format!(
            "stroke=\"{}\" stroke-width=\"{}\" stroke-opacity=\"{}\"{dashes}",
            self.colour, self.width, self.opacity
        )
    }
}

/// The margins around the plotting area, in the picture's units; that on the left depends on its numbers.
const LEAST_LEFT: f64 = 50.0;
const CHARACTER: f64 = 7.5;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 42.0;
/// The width of every picture; text is 12 high, so that it can be read on a phone and is not huge on a screen.
pub const WIDTH: f64 = 460.0;

/// A picture in the making.
#[derive(Debug)]
pub struct Plot {
    x: Axis,
    y: Axis,
    left: f64,
    height: f64,
    body: String,
    y_ticks: bool,
}

impl Plot {
    /// A plot as high as `aspect` times its width, margins aside.
    pub fn new(x: Axis, y: Axis, aspect: f64) -> Self {
        let longest = y.ticks().iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        let left = LEAST_LEFT.max(26.0 + CHARACTER * longest as f64);
        let height = TOP + BOTTOM + aspect * (WIDTH - left - RIGHT);
        Self { x, y, left, height, body: String::new(), y_ticks: true }
    }

    /// A plot in which a unit is as long on one axis as on the other: distances are what they look like.
    pub fn isometric(mut x: Axis, mut y: Axis) -> Self {
        let aspect = ((y.to - y.from) / (x.to - x.from)).clamp(0.55, 1.0);
        let (wide, high) = (x.to - x.from, (y.to - y.from) / aspect);
        let (axis, room) = if high > wide { (&mut x, high - wide) } else { (&mut y, aspect * (wide - high)) };
        axis.from -= room / 2.0;
        axis.to += room / 2.0;
        Self::new(x, y, aspect)
    }

    /// Without numbers on the vertical axis.
    pub fn without_y_ticks(mut self) -> Self {
        self.y_ticks = false;
        self
    }

    /// What the axes hold, from where to where.
    pub fn ranges(&self) -> ((f64, f64), (f64, f64)) {
        ((self.x.from, self.x.to), (self.y.from, self.y.to))
    }

    /// What the axes enclose, as shares of the whole picture in per cent: from the left, from the top, its width, its height.
    pub fn inner(&self) -> [f64; 4] {
        [
            100.0 * self.left / WIDTH,
            100.0 * TOP / self.height,
            100.0 * self.inner_width() / WIDTH,
            100.0 * (self.height - TOP - BOTTOM) / self.height,
        ]
    }

    /// The width of what the axes enclose, in the units of the picture.
    pub fn inner_width(&self) -> f64 {
        WIDTH - self.left - RIGHT
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.left + self.x.place(x) * (WIDTH - self.left - RIGHT);
        let down = self.height - BOTTOM - self.y.place(y) * (self.height - TOP - BOTTOM);
        (across, down)
    }

    /// Round dots.
    pub fn dots(&mut self, points: impl Iterator<Item = (f64, f64)>, size: f64, colour: &str, opacity: f64) {
        self.marks(points, size, colour, opacity, "round");
    }

    /// Squares, as wide as dots.
    pub fn squares(
        &mut self,
        points: impl Iterator<Item = (f64, f64)>,
        size: f64,
        colour: &str,
        opacity: f64,
    ) {
        self.marks(points, size, colour, opacity, "square");
    }

    /// Strokes without length, whose caps are seen: the shortest way to write many.
    fn marks(
        &mut self,
        points: impl Iterator<Item = (f64, f64)>,
        size: f64,
        colour: &str,
        opacity: f64,
        cap: &str,
    ) {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = self.at(x, y);
            let _ = write!(path, "M{x:.1} {y:.1}h0");
        }
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{size}\" stroke-opacity=\"{opacity}\" stroke-linecap=\"{cap}\"/>"
        );
    }

    /// Polygonal lines.
    pub fn lines<L: Iterator<Item = (f64, f64)>>(
        &mut self,
        lines: impl Iterator<Item = L>,
        stroke: Stroke<'_>,
    ) {
        let mut path = String::new();
        for line in lines {
            for (i, (x, y)) in line.enumerate() {
                let (x, y) = self.at(x, y);
                let _ = write!(path, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
            }
        }
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" {} stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
            stroke.attributes()
        );
    }

    /// Heads of arrows that point from one place to another, at the second.
    pub fn arrows(&mut self, arrows: impl Iterator<Item = ((f64, f64), (f64, f64))>, colour: &str) {
        const LENGTH: f64 = 6.0;
        let mut path = String::new();
        for (from, to) in arrows {
            let ((x0, y0), (x, y)) = (self.at(from.0, from.1), self.at(to.0, to.1));
            let far = (x - x0).hypot(y - y0);
            if far > 0.0 {
                let (dx, dy) = (LENGTH * (x - x0) / far, LENGTH * (y - y0) / far);
                let (bx, by) = (x - 0.5 * dx, y - 0.5 * dy);
                let _ = write!(
                    path,
                    "M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}z",
                    bx + dx,
                    by + dy,
                    bx - 0.45 * dy,
                    by + 0.45 * dx,
                    bx + 0.45 * dy,
                    by - 0.45 * dx
                );
            }
        }
        let _ = writeln!(self.body, "<path d=\"{path}\" fill=\"{colour}\"/>");
    }

    /// Areas inside closed rings, by the even–odd rule, with a fine edge.
    pub fn areas<R: Iterator<Item = (f64, f64)>>(&mut self, rings: impl Iterator<Item = R>, colour: &str) {
        let mut path = String::new();
        for ring in rings {
            // Steps in whole tenths, so that their rounding does not add up.
            let mut last: Option<(i64, i64)> = None;
            for (x, y) in ring {
                let (x, y) = self.at(x, y);
                let (x, y) = ((10.0 * x).round() as i64, (10.0 * y).round() as i64);
                let (dx, dy) = last.map_or((x, y), |last| (x - last.0, y - last.1));
                let command = if last.is_none() { 'M' } else { 'l' };
                let _ = write!(path, "{command}{} {}", dx as f64 / 10.0, dy as f64 / 10.0);
                last = Some((x, y));
            }
            path.push('z');
        }
        let _ = writeln!(self.body, "<path d=\"{path}\" fill=\"{colour}\" class=\"area\"/>");
    }

    /// The area inside a ring, through which what lies below is seen.
    pub fn tint(&mut self, ring: impl Iterator<Item = (f64, f64)>, colour: &str, opacity: f64) {
        let mut path = String::new();
        for (i, (x, y)) in ring.enumerate() {
            let (x, y) = self.at(x, y);
            let _ = write!(path, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        let _ = writeln!(self.body, "<path d=\"{path}z\" fill=\"{colour}\" fill-opacity=\"{opacity}\"/>");
    }

    /// Small crosses.
    pub fn crosses(&mut self, points: impl Iterator<Item = (f64, f64)>, stroke: Stroke<'_>) {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = self.at(x, y);
            let _ = write!(path, "M{:.1} {:.1}l5 5m0 -5l-5 5", x - 2.5, y - 2.5);
        }
        let _ = writeln!(self.body, "<path d=\"{path}\" fill=\"none\" {}/>", stroke.attributes());
    }

    /// The picture; `description` is what a reader who cannot see it is told.
    pub fn finish(self, description: &str) -> String {
        let (left, right, bottom) = (self.left, WIDTH - RIGHT, self.height - BOTTOM);
        let (mut grid, mut text) = (String::new(), String::new());
        for (place, label) in self.x.ticks() {
            let x = left + place * (right - left);
            let _ = write!(grid, "M{x:.1} {TOP}V{bottom:.1}");
            let y = bottom + 17.0;
            let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        for (place, label) in self.y.ticks().into_iter().filter(|_| self.y_ticks) {
            let y = bottom - place * (bottom - TOP);
            let _ = write!(grid, "M{left:.1} {y:.1}H{right}");
            let (x, y) = (left - 6.0, y + 4.0);
            let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>");
        }
        let (middle_x, middle_y) = ((left + right) / 2.0, (TOP + bottom) / 2.0);
        let (wide, high) = (right - left, bottom - TOP);
        // The inner picture cuts off what lies outside the axes.
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{description}\">\n\
             <path d=\"{grid}\" class=\"grid\"/>\n\
             <svg class=\"inner\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{wide:.1}\" height=\"{high:.1}\" viewBox=\"{left:.1} {TOP} {wide:.1} {high:.1}\">\n\
             {body}</svg>\n<path d=\"M{left:.1} {TOP}V{bottom:.1}H{right}\" class=\"axis\"/>\n\
             {text}<text class=\"label\" x=\"{middle_x:.1}\" y=\"{label_y:.1}\" text-anchor=\"middle\">{x_label}</text>\n\
             <text class=\"label\" transform=\"translate(12 {middle_y:.1}) rotate(-90)\" text-anchor=\"middle\">{y_label}</text>\n\
             </svg>",
            height = self.height,
            body = self.body,
            label_y = self.height - 6.0,
            description = escape(description),
            x_label = escape(&self.x.label),
            y_label = escape(&self.y.label),
        )
    }
}

/// A picture without axes, as wide as the others; `description` is what a reader who cannot see it is told.
pub fn bare(height: f64, body: &str, description: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">\n{body}</svg>",
        escape(description)
    )
}

/// Plots side by side in a file of their own.
pub fn side_by_side(plots: &[String]) -> String {
    let height = |plot: &String| -> f64 {
        let size = plot.split('"').nth(1).and_then(|view_box| view_box.rsplit(' ').next());
        size.and_then(|height| height.parse().ok()).unwrap_or(WIDTH)
    };
    let highest = plots.iter().map(height).fold(0.0, f64::max);
    let place = |(i, plot): (usize, &String)| {
        let (x, high) = (i as f64 * WIDTH, height(plot));
        plot.replacen("<svg ", &format!("<svg x=\"{x}\" y=\"0\" width=\"{WIDTH}\" height=\"{high}\" "), 1)
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {highest}\">\n\
         <style>text {{ font: 12px system-ui, sans-serif; fill: #5b6776 }} .label {{ fill: #1f2933 }} .grid {{ stroke: #edf0f3; fill: none }} \
         .axis {{ stroke: #9aa5b1; fill: none }}</style>\n<rect width=\"{width}\" height=\"{highest}\" fill=\"#fff\"/>\n{}\n</svg>\n",
        plots.iter().enumerate().map(place).collect::<Vec<_>>().join("\n"),
        width = plots.len() as f64 * WIDTH,
    )
}

/// Text as it is written into HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
