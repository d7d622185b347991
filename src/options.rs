//! Options by name: one list for each thing that takes options, from which the command line, the C interface and the
//! bindings are made.
//!
//! An option is one [`Entry`] of a list: its name, what it may be, what it is if nobody says, what it means and where it
//! goes. Add a row and it is a flag of the command, a name in C, and a line in every listing.
//!
//! ```
//! use chreode::FitOptions;
//! use chreode::options::Settings;
//!
//! let mut settings = Settings::<FitOptions>::default();
//! settings.set("delta", "1.5")?;
//! settings.set("method", "usb")?; // the order does not matter
//! let options = settings.build()?;
//! assert_eq!((options.recipe.name, options.delta), ("usb", Some(1.5)));
//! assert!(settings.set("detla", "1.5").unwrap_err().to_string().contains("`delta`"));
//! # Ok::<(), chreode::Error>(())
//! ```

pub mod datasets;
pub mod fates;
pub mod fit;
pub mod simulate;
pub mod transport;
pub mod validate;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use crate::device::Device;
use crate::error::{Error, Result};

/// What is set by named options.
pub trait Target: Sized + 'static {
    /// What the list is called: `fit`, `simulate`, …
    const LIST: &'static str;

    /// The options. They are applied from first to last, whatever the order in which they were set: an option whose
    /// value chooses the defaults of others stands before them.
    const ENTRIES: &'static [Entry<Self>];

    /// What holds if nothing is set.
    fn initial() -> Self;

    /// The choices that other options depend on, by name and with what each of them comes with: the methods of a fit, the modes of
    /// a simulation. Defaults that differ between them are listed, and so is who takes an option that not all take.
    fn variants() -> Vec<(&'static str, Self)> {
        vec![]
    }

    /// The parts that take an option which none of the choices takes, by name: they come in free combinations.
    fn parts(_option: &str) -> Vec<&'static str> {
        vec![]
    }

    /// Which of the choices this is, in words.
    fn variant(&self) -> String {
        Self::LIST.into()
    }

    /// Whether an option has an effect under this choice. Where it has none it is refused, not ignored.
    fn takes(&self, _option: &str) -> bool {
        true
    }

    /// Refuses combinations that no option on its own can see; this is what was `given`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming an option.
    fn check(&self, _given: &Settings<Self>) -> Result<()> {
        Ok(())
    }
}

/// One option.
pub struct Entry<T: 'static> {
    /// Its name, in lower case with underscores.
    pub name: &'static str,
    /// What it may be, and where it goes.
    pub kind: Kind<T>,
    /// What it is if nobody says.
    pub default: IfUnset<T>,
    /// What it means: one sentence without a full stop.
    pub meaning: &'static str,
}

/// The kind of an option's value with its range, and the function that puts it where it belongs.
pub enum Kind<T> {
    /// A real number.
    Real(RealRange, fn(&mut T, f64)),
    /// A whole number.
    Integer(RangeInclusive<u64>, fn(&mut T, u64)),
    /// One of these names.
    Name(&'static [&'static str], fn(&mut T, &str) -> Result<()>),
    /// Widths of hidden layers: `256x5`, or `256,128,64`.
    Widths(fn(&mut T, Vec<usize>)),
    /// `true` or `false`.
    Switch(fn(&mut T, bool)),
    /// A device.
    Device(fn(&mut T, Device)),
}

/// Which real numbers an option may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealRange {
    /// x > 0.
    Positive,
    /// x > 0, or infinite.
    PositiveOrInfinite,
    /// x ≥ 0.
    NotNegative,
    /// 0 ≤ x < 1.
    BelowOne,
    /// 0 < x ≤ 1.
    Share,
    /// 0 ≤ x ≤ 1.
    ShareOrNone,
    /// Any finite x.
    Finite,
}

/// What an option is if nobody says.
pub enum IfUnset<T> {
    /// A value, which can be set as well.
    Value(&'static str),
    /// A rule that chooses the value, or what is done without one.
    Rule(&'static str),
    /// The value that the choice made brings, as text that can be set as well; the rule where it brings none.
    Brought(fn(&T) -> Option<String>, &'static str),
    /// A rule that depends on the choice made.
    RuleOf(fn(&T) -> String),
}

/// An option in words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The name.
    pub name: &'static str,
    /// `real`, `integer`, `name`, `widths` or `switch`.
    pub kind: &'static str,
    /// The default: a value or a rule. Where it depends on another option, that of the choice that is made by default.
    pub default: String,
    /// The other choices' defaults where they differ, each with the choices that bring it.
    pub other_defaults: Vec<(String, Vec<&'static str>)>,
    /// The values that are allowed.
    pub range: String,
    /// What it means.
    pub meaning: String,
    /// The choices of another option that take this one, or the parts where no choice does; none where all do.
    pub takers: Vec<&'static str>,
}

impl Description {
    /// The default, and in brackets those of other choices, where they differ.
    pub fn defaults(&self) -> String {
        let others =
            self.other_defaults.iter().map(|(value, names)| format!("{}: {value}", names.join(", ")));
        match &others.collect::<Vec<_>>()[..] {
            [] => self.default.clone(),
            others => format!("{} ({})", self.default, others.join("; ")),
        }
    }

    /// What it means, and in brackets who takes it, where not all do.
    pub fn meaning_and_takers(&self) -> String {
        match &self.takers[..] {
            [] => self.meaning.clone(),
            takers => format!("{} (of {})", self.meaning, takers.join(", ")),
        }
    }
}

/// The most layers of a network: deeper ones are a slip of the hand, and would not fit in memory.
const MOST_LAYERS: usize = 1000;

impl RealRange {
    /// In words.
    pub fn allowed(self) -> &'static str {
        match self {
            RealRange::Positive => "positive and finite",
            RealRange::PositiveOrInfinite => "positive (inf is allowed)",
            RealRange::NotNegative => "finite and not negative",
            RealRange::BelowOne => "at least 0 and below 1",
            RealRange::Share => "in (0, 1]",
            RealRange::ShareOrNone => "between 0 and 1, both included",
            RealRange::Finite => "finite",
        }
    }

    fn contains(self, x: f64) -> bool {
        match self {
            RealRange::Positive => x > 0.0 && x.is_finite(),
            RealRange::PositiveOrInfinite => x > 0.0,
            RealRange::NotNegative => x >= 0.0 && x.is_finite(),
            RealRange::BelowOne => (0.0..1.0).contains(&x),
            RealRange::Share => x > 0.0 && x <= 1.0,
            RealRange::ShareOrNone => (0.0..=1.0).contains(&x),
            RealRange::Finite => x.is_finite(),
        }
    }
}

impl<T: Target> Entry<T> {
    /// The option in words, for all choices together.
    pub fn describe(&self) -> Description {
        let variants = T::variants();
        let takers: Vec<&(&'static str, T)> =
            variants.iter().filter(|(_, variant)| variant.takes(self.name)).collect();
        let names: Vec<&'static str> = takers.iter().map(|(name, _)| *name).collect();
        let mut defaults: Vec<(String, Vec<&'static str>)> = vec![];
        for (name, variant) in &takers {
            let default = self.default_of(variant);
            match defaults.iter_mut().find(|(known, _)| *known == default) {
                Some((_, names)) => names.push(*name),
                None => defaults.push((default, vec![*name])),
            }
        }
        // That of the choice made by default stands alone; of an option that this does not take, that of the first who does.
        let initial = T::initial();
        let default = match takers.first() {
            Some((_, first)) if !initial.takes(self.name) => self.default_of(first),
            _ => self.default_of(&initial),
        };
        defaults.retain(|(other, _)| *other != default);
        let takers = match names.len() {
            0 => T::parts(self.name),
            some if some == variants.len() => vec![],
            _ => names,
        };
        Description { default, other_defaults: defaults, takers, ..self.describe_for(&initial) }
    }

    /// The option in words, under one choice.
    pub fn describe_for(&self, target: &T) -> Description {
        let (kind, range) = match &self.kind {
            Kind::Real(range, _) => ("real", range.allowed().to_string()),
            Kind::Integer(range, _) => ("integer", integers(range)),
            Kind::Name(names, _) => ("name", names.join(" | ")),
            Kind::Widths(_) => ("widths", widths_allowed()),
            Kind::Switch(_) => ("switch", "true | false".to_string()),
            Kind::Device(_) => ("name", Device::ALLOWED.to_string()),
        };
        let (default, meaning) = (self.default_of(target), self.meaning.to_string());
        Description { name: self.name, kind, default, other_defaults: vec![], range, meaning, takers: vec![] }
    }

    fn default_of(&self, target: &T) -> String {
        match self.default {
            IfUnset::Value(text) | IfUnset::Rule(text) => text.into(),
            IfUnset::Brought(get, rule) => get(target).unwrap_or_else(|| rule.into()),
            IfUnset::RuleOf(rule) => rule(target),
        }
    }

    /// The refusal of a value under a choice that does not take the option.
    fn refusal(&self, value: &str, target: &T) -> Error {
        let allowed = format!(
            "left out with {}: it is an option of {}",
            target.variant(),
            self.describe().takers.join(", ")
        );
        Error::argument(self.name, value, &allowed)
    }

    /// Refuses a value that cannot be set.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the option and what it may be.
    pub fn check(&self, text: &str) -> Result<()> {
        self.read(text, None)
    }

    /// Reads a value and, where there is a target, sets it.
    fn read(&self, text: &str, target: Option<&mut T>) -> Result<()> {
        let text = text.trim();
        let wrong = |allowed: &str| Error::argument(self.name, text, allowed);
        match &self.kind {
            Kind::Real(range, set) => {
                let number = text.parse().map_err(|_| wrong(&format!("a number, {}", range.allowed())))?;
                if !range.contains(number) {
                    return Err(Error::argument(self.name, number, range.allowed()));
                }
                if let Some(target) = target {
                    set(target, number);
                }
            }
            Kind::Integer(range, set) => {
                let number = text.parse().ok().filter(|number| range.contains(number));
                let number = number.ok_or_else(|| wrong(&format!("a whole number, {}", integers(range))))?;
                if let Some(target) = target {
                    set(target, number);
                }
            }
            Kind::Name(names, set) => {
                if !names.contains(&text) {
                    return Err(wrong(&format!("one of {}", names.join(" "))));
                }
                target.map_or(Ok(()), |target| set(target, text))?;
            }
            Kind::Widths(set) => {
                let widths = parse_widths(text).ok_or_else(|| wrong(&widths_allowed()))?;
                if let Some(target) = target {
                    set(target, widths);
                }
            }
            Kind::Switch(set) => {
                let on = match text {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(wrong("true or false")),
                };
                if let Some(target) = target {
                    set(target, on);
                }
            }
            Kind::Device(set) => {
                let device = text.parse()?;
                if let Some(target) = target {
                    set(target, device);
                }
            }
        }
        Ok(())
    }
}

fn integers(range: &RangeInclusive<u64>) -> String {
    match (range.start(), range.end()) {
        (least, &u64::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    }
}

fn widths_allowed() -> String {
    format!(
        "a width and a number of layers (256x5) or a list of widths (256,128), all positive, at most {MOST_LAYERS} layers"
    )
}

fn parse_widths(text: &str) -> Option<Vec<usize>> {
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|&n| n > 0);
    match text.split_once('x') {
        Some((width, layers)) => {
            let layers = number(layers).filter(|&layers| layers <= MOST_LAYERS)?;
            Some(vec![number(width)?; layers])
        }
        None => text.split(',').map(number).collect::<Option<Vec<_>>>().filter(|w| w.len() <= MOST_LAYERS),
    }
}

/// Options that were set, by name; all others are what they are by default.
pub struct Settings<T> {
    given: BTreeMap<&'static str, String>,
    target: PhantomData<fn() -> T>,
}

impl<T> Default for Settings<T> {
    fn default() -> Self {
        Self { given: BTreeMap::new(), target: PhantomData }
    }
}

impl<T> Clone for Settings<T> {
    fn clone(&self) -> Self {
        Self { given: self.given.clone(), target: PhantomData }
    }
}

impl<T> std::fmt::Debug for Settings<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.given.fmt(f)
    }
}

impl<T: Target> Settings<T> {
    /// Sets an option from text.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name, telling the nearest one, or a value outside the option's range.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let entry = Self::entry(name)?;
        entry.check(text)?;
        self.given.insert(entry.name, text.trim().to_string());
        Ok(())
    }

    /// Sets an option from a real number; a whole one will do for an option that takes integers.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_real(&mut self, name: &str, value: f64) -> Result<()> {
        self.set(name, &text_of_real(value))
    }

    /// Sets an option from an integer.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_integer(&mut self, name: &str, value: i64) -> Result<()> {
        self.set(name, &value.to_string())
    }

    /// Gives an option its default back.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name.
    pub fn unset(&mut self, name: &str) -> Result<()> {
        self.given.remove(Self::entry(name)?.name);
        Ok(())
    }

    /// The text of an option that was set.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.given.get(Self::entry(name)?.name).map(String::as_str))
    }

    /// The options that were set, in the order of their names, with their texts.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given.iter().map(|(name, text)| (*name, text.as_str()))
    }

    /// Whether an option was set.
    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The options that all this makes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for values that do not go together.
    pub fn build(&self) -> Result<T> {
        let mut target = T::initial();
        let given = || T::ENTRIES.iter().filter_map(|entry| Some((entry, self.given.get(entry.name)?)));
        for (entry, text) in given() {
            entry.read(text, Some(&mut target))?;
        }
        match given().find(|(entry, _)| !target.takes(entry.name)) {
            Some((entry, text)) => Err(entry.refusal(text, &target)),
            None => target.check(self).map(|()| target),
        }
    }

    fn entry(name: &str) -> Result<&'static Entry<T>> {
        T::ENTRIES.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let nearest = nearest(name, T::ENTRIES.iter().map(|entry| entry.name));
            let allowed = format!("one of those of `{}`, of which `{nearest}` is the nearest", T::LIST);
            Error::argument("the option's name", format!("`{name}`"), &allowed)
        })
    }
}

/// A real number as text that is read back as the same bits, and as an integer's where it is whole.
pub(crate) fn text_of_real(value: f64) -> String {
    let whole = value.fract() == 0.0 && value.abs() < 1e15;
    if whole { format!("{value}") } else { format!("{value:?}") }
}

/// The name that takes the fewest edits to become `name`.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> &'a str {
    names.into_iter().min_by_key(|candidate| edits(name, candidate)).unwrap_or_default()
}

/// The edit distance (Levenshtein 1965) between two names, capital letters and dashes taken for what they stand for.
fn edits(a: &str, b: &str) -> usize {
    let plain = |text: &str| -> Vec<char> { text.to_lowercase().replace('-', "_").chars().collect() };
    let (a, b) = (plain(a), plain(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults_of<T: Target + PartialEq + std::fmt::Debug>() {
        let initial = T::initial();
        for entry in T::ENTRIES {
            let value = match entry.default {
                IfUnset::Value(text) => Some(text.to_string()),
                IfUnset::Brought(get, _) => get(&initial),
                IfUnset::Rule(_) | IfUnset::RuleOf(_) => None,
            };
            if let Some(text) = value.filter(|_| initial.takes(entry.name)) {
                let mut settings = Settings::<T>::default();
                settings.set(entry.name, &text).unwrap();
                match settings.build() {
                    Ok(built) => assert_eq!(built, initial, "{} of {}", entry.name, T::LIST),
                    // At the defaults of others it may have no effect, which is said.
                    Err(error) => assert!(error.to_string().contains("left out unless"), "{error}"),
                }
            }
            assert!(T::ENTRIES.iter().filter(|other| other.name == entry.name).count() == 1);
        }
    }

    #[test]
    fn the_listed_defaults_are_those_of_the_library() {
        defaults_of::<crate::FitOptions>();
        defaults_of::<crate::simulate::simulation::Simulation>();
        defaults_of::<crate::evaluate::protocol::Protocol>();
        defaults_of::<crate::evaluate::validation::ValidationOptions>();
        defaults_of::<crate::transport::solver::TransportOptions>();
        defaults_of::<crate::datasets::GeneNetwork>();
        defaults_of::<crate::datasets::GaussianMixture>();
        defaults_of::<crate::datasets::BranchingTree>();
    }
}
