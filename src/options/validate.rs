//! The options of a validation, and the grid of recipes that goes with it.

use std::collections::BTreeMap;

use super::IfUnset::{Rule, Value};
use super::Kind::{Integer, Name, Real, Switch, Widths};
use super::RealRange::Positive;
use super::{Description, Entry, Settings, Target, nearest};
use crate::error::{Error, Result};
use crate::evaluate::validation::ValidationOptions;
use crate::method::{FitOptions, NamedRecipe};

impl Target for ValidationOptions {
    const LIST: &'static str = "validate";

    const ENTRIES: &'static [Entry<Self>] = &[
        Entry {
            name: "splits",
            kind: Integer(1..=1000, |o, v| o.splits = Some(v as usize)),
            default: Rule("3, or as many as there are parts where folds or the parts themselves are given"),
            meaning: "Splits into cells to learn from and cells to be predicted; each recipe is fitted to each",
        },
        Entry {
            name: "folds",
            kind: Integer(2..=20, |o, v| o.folds = Some(v as usize)),
            default: Rule("halves, a new cut every second split"),
            meaning: "Parts that the cells are cut into, held out in turn. Small parts differ more from each other, so ratios are closer to 1: compare them at one number of parts",
        },
        Entry {
            name: "seeds",
            kind: Integer(1..=1000, |o, v| o.seeds = v as usize),
            default: Value("1"),
            meaning: "Fits of a recipe to each split, with consecutive seeds",
        },
        Entry {
            name: "particles",
            kind: Integer(1..=1000, |o, v| o.particles = v as usize),
            default: Value("4"),
            meaning: "Simulated particles a founder, where they move with noise",
        },
        Entry {
            name: "mode",
            kind: Name(&["sde", "ode"], |o, v| {
                o.process = Some(v.parse()?);
                Ok(())
            }),
            default: Rule("sde for a model with noise, else ode"),
            meaning: "What predicts: weighted particles with noise or without",
        },
        Entry {
            name: "step",
            kind: Real(Positive, |o, v| o.step = Some(v)),
            default: Rule("a twentieth of the shortest interval"),
            meaning: "Longest step of particles with noise, in units of time",
        },
        Entry {
            name: "cap",
            kind: Integer(2..=u64::MAX, |o, v| o.cap = v as usize),
            default: Value("800"),
            meaning: "The most cells of half a snapshot; larger data are thinned by one factor at all times",
        },
        Entry {
            name: "hold_out_times",
            kind: Switch(|o, v| o.hold_out_times = v),
            default: Value("false"),
            meaning: "Leave out each inner time in turn as well, and predict it",
        },
        Entry {
            name: "seed",
            kind: Integer(0..=u64::MAX, |o, v| o.seed = v),
            default: Value("0"),
            meaning: "Seed of the cuts and of the first fit to each split",
        },
        Entry {
            name: "threads",
            kind: Integer(0..=1024, |o, v| o.threads = v as usize),
            default: Value("0"),
            meaning: "Fits side by side, each on one thread, 0 for all cores; the results are the same bits at any number",
        },
    ];

    fn initial() -> Self {
        Self::default()
    }
}

/// What is asked of a validation by name: its own options, and those of the fits, each with one value or several.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The options of the validation.
    pub validation: Settings<ValidationOptions>,
    /// The options of the fits.
    pub grid: Grid,
}

impl Request {
    /// All options in words.
    pub fn describe() -> impl Iterator<Item = Description> {
        ValidationOptions::ENTRIES.iter().map(Entry::describe).chain(Grid::describe())
    }

    /// Sets an option from text.
    ///
    /// # Errors
    /// As [`Settings::set`] and [`Grid::set`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        if is_own(name) { self.validation.set(name, text) } else { self.grid.set(name, text) }
    }

    /// Gives an option its default back.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name.
    pub fn unset(&mut self, name: &str) -> Result<()> {
        if is_own(name) { self.validation.unset(name) } else { self.grid.unset(name) }
    }

    /// The text of an option that was set.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        if is_own(name) { self.validation.get(name) } else { self.grid.get(name) }
    }
}

/// Whether an option is one of the validation itself.
fn is_own(name: &str) -> bool {
    ValidationOptions::ENTRIES.iter().any(|entry| entry.name == name)
}

/// Recipes as the combinations of values of fit options: `method` = `wfr-fm,usb`, `sigma` = `0.1,0.2`.
///
/// An option that some of the methods do not take is given to those that do.
///
/// ```
/// use chreode::options::validate::Grid;
///
/// let mut grid = Grid::default();
/// grid.set("method", "wfr-fm,usb")?;
/// grid.set("sigma", "0.1,0.2")?; // an option of usb alone
/// grid.set("hidden", "64x3")?;
/// let names: Vec<String> = grid.recipes()?.into_iter().map(|recipe| recipe.name).collect();
/// assert_eq!(names, ["wfr-fm", "usb sigma=0.1", "usb sigma=0.2"]);
/// # Ok::<(), chreode::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    given: BTreeMap<&'static str, Given>,
}

/// An option that was set, as text and as its values.
#[derive(Debug, Clone, PartialEq)]
struct Given {
    text: String,
    values: Vec<String>,
}

/// The most recipes of a grid: more are a slip of the hand.
const MOST_RECIPES: usize = 10_000;

impl Grid {
    /// The options that may have several values: those of a fit that are not options of the validation as well.
    pub fn entries() -> impl Iterator<Item = &'static Entry<FitOptions>> {
        FitOptions::ENTRIES.iter().filter(|entry| !is_own(entry.name))
    }

    /// What separates several values of an option, in words.
    pub fn separator(entry: &Entry<FitOptions>) -> &'static str {
        match entry.kind {
            Widths(_) => "as in 64x3,128x3 or 256,128;64x3",
            _ => "separated by commas",
        }
    }

    /// The options in words.
    pub fn describe() -> impl Iterator<Item = Description> {
        Self::entries().map(|entry| {
            let told = entry.describe();
            Description {
                meaning: format!(
                    "{}; several values, {}, make a grid of recipes",
                    told.meaning,
                    Self::separator(entry)
                ),
                ..told
            }
        })
    }

    /// Sets an option to one value or several: separated by commas; lists of widths, which have commas, by semicolons, unless
    /// each is like `64x3`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name, telling the nearest one; a value outside the option's range; a value twice.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let entry = Self::entry(name)?;
        let values = split(entry, text);
        for (i, value) in values.iter().enumerate() {
            entry.check(value)?;
            if values[..i].contains(value) {
                return Err(Error::argument(entry.name, text, "values that differ"));
            }
        }
        self.given.insert(entry.name, Given { text: text.trim().into(), values });
        Ok(())
    }

    /// The options that were set, in the order of their names, with their texts.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given.iter().map(|(name, given)| (*name, given.text.as_str()))
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
        Ok(self.given.get(Self::entry(name)?.name).map(|given| &given.text[..]))
    }

    fn entry(name: &str) -> Result<&'static Entry<FitOptions>> {
        Self::entries().find(|entry| entry.name == name).ok_or_else(|| {
            let names = || {
                let own = ValidationOptions::ENTRIES.iter().map(|entry| entry.name);
                own.chain(Self::entries().map(|entry| entry.name))
            };
            let near = nearest(name, names());
            let allowed = format!("one of those of `validate`, of which `{near}` is the nearest");
            Error::argument("the option's name", format!("`{name}`"), &allowed)
        })
    }

    /// Every combination, in the order of the options and of their values; what tells them apart is their name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for values that do not go together, an option that none of the methods takes, or more than
    /// 10 000 combinations.
    pub fn recipes(&self) -> Result<Vec<NamedRecipe>> {
        let mut all: Vec<Vec<(&'static str, &str)>> = vec![vec![]];
        for entry in Self::entries() {
            let Some(Given { values, .. }) = self.given.get(entry.name) else { continue };
            let takes = all.iter().map(|chosen| takes(chosen, entry.name)).collect::<Result<Vec<bool>>>()?;
            if !takes.contains(&true) {
                // Refused by name, with who takes it.
                options_of(all[0].iter().copied().chain([(entry.name, &values[0][..])]))?;
            }
            let mut next = vec![];
            for (chosen, takes) in all.into_iter().zip(takes) {
                if !takes {
                    next.push(chosen);
                    continue;
                }
                next.extend(values.iter().map(|value| [&chosen[..], &[(entry.name, &value[..])]].concat()));
            }
            all = next;
            if all.len() > MOST_RECIPES {
                return Err(Error::argument(
                    "the number of recipes",
                    all.len(),
                    &format!("at most {MOST_RECIPES}"),
                ));
            }
        }
        let named = |chosen: Vec<(&'static str, &str)>| {
            let options = options_of(chosen.iter().copied())?;
            let several = |name: &str| self.given.get(name).is_some_and(|given| given.values.len() > 1);
            let telling = chosen.iter().filter(|(name, _)| !CHOICES.contains(name) && several(name));
            let told: Vec<String> = telling.map(|(name, value)| format!(" {name}={value}")).collect();
            Ok(NamedRecipe { name: options.variant() + &told.concat(), options })
        };
        all.into_iter().map(named).collect()
    }
}

/// The options that say which others apply. They stand before those in the list.
const CHOICES: [&str; 3] = ["method", "coupling", "bridge"];

/// Whether the recipe that `chosen` makes takes an option.
fn takes(chosen: &[(&'static str, &str)], option: &str) -> Result<bool> {
    if CHOICES.contains(&option) {
        return Ok(true);
    }
    let choices = chosen.iter().copied().filter(|(name, _)| CHOICES.contains(name));
    Ok(options_of(choices)?.takes(option))
}

fn options_of<'a>(chosen: impl Iterator<Item = (&'static str, &'a str)>) -> Result<FitOptions> {
    let mut settings = Settings::<FitOptions>::default();
    for (name, value) in chosen {
        settings.set(name, value)?;
    }
    settings.build()
}

/// The values of a text: `64x3,128x3` are two, `256,128` is one, `256,128;64x3` are two.
fn split(entry: &Entry<FitOptions>, text: &str) -> Vec<String> {
    let widths = matches!(entry.kind, Widths(_));
    let by_comma = !widths || text.split(',').all(|value| value.contains('x'));
    let separator = if by_comma && !text.contains(';') { ',' } else { ';' };
    text.split(separator).map(|value| value.trim().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(settings: &[(&str, &str)]) -> Result<Grid> {
        let mut grid = Grid::default();
        settings.iter().try_for_each(|(name, text)| grid.set(name, text))?;
        Ok(grid)
    }

    fn names(settings: &[(&str, &str)]) -> Vec<String> {
        grid(settings).unwrap().recipes().unwrap().into_iter().map(|recipe| recipe.name).collect()
    }

    fn told(settings: &[(&str, &str)]) -> String {
        grid(settings).and_then(|grid| grid.recipes()).unwrap_err().to_string()
    }

    #[test]
    fn a_grid_is_every_combination_and_each_is_what_its_name_says() {
        assert_eq!(names(&[]), ["usb"]);
        assert_eq!(names(&[("delta", "1.5")]), ["usb"]);
        let settings = [("hidden", "64x3,128x2"), ("delta", "1,2"), ("method", "usb")];
        assert_eq!(
            names(&settings),
            [
                "usb delta=1 hidden=64x3",
                "usb delta=1 hidden=128x2",
                "usb delta=2 hidden=64x3",
                "usb delta=2 hidden=128x2"
            ]
        );
        let last = grid(&settings).unwrap().recipes().unwrap().pop().unwrap().options;
        assert_eq!(
            (last.recipe.name, last.delta, &last.training.hidden[..]),
            ("usb", Some(2.0), &[128, 128][..])
        );
        assert_eq!(
            names(&[("coupling", "exact-ot"), ("bridge", "straight")]),
            ["coupling exact-ot, bridge straight"]
        );
    }

    #[test]
    fn widths_have_commas_of_their_own() {
        let widths = |text: &str| -> Vec<Vec<usize>> {
            let recipes = grid(&[("hidden", text)]).unwrap().recipes().unwrap();
            recipes.into_iter().map(|recipe| recipe.options.training.hidden).collect()
        };
        assert_eq!(widths("256,128"), [[256, 128]]);
        assert_eq!(widths("64x2,128x2"), [[64, 64], [128, 128]]);
        assert_eq!(widths("256,128; 64x2"), [[256, 128], [64, 64]]);
    }

    #[test]
    fn an_option_is_given_to_the_methods_that_take_it_and_refused_where_none_does() {
        assert_eq!(
            names(&[("method", "wfr-fm,usb"), ("sigma", "0.1,0.2")]),
            ["wfr-fm", "usb sigma=0.1", "usb sigma=0.2"]
        );
        assert!(
            told(&[("method", "wfr-fm"), ("sigma", "0.1,0.2")])
                .contains("sigma must be left out with wfr-fm")
        );
        assert!(told(&[("sigma", "0.1,zero")]).contains("sigma must be a number"));
        assert!(told(&[("sigma", "0.1,0.1")]).contains("values that differ"));
        assert!(told(&[("sigm", "0.1")]).contains("`sigma` is the nearest"));
        assert!(told(&[("cup", "9")]).contains("`cap` is the nearest"));
        assert!(told(&[("seed", "0.1")]).contains("option's name"), "an option of the validation itself");
        assert!(told(&[("coupling", "exact-ot")]).contains("bridge"));
        let many = (1..200).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
        assert!(told(&[("epochs", &many), ("batch_size", &many)]).contains("at most 10000"));
    }
}
