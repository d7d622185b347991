//! The library's options as arguments, and how their values are written.

use chreode::options::{Entry, IfUnset, Kind, Settings, Target};
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, FromArgMatches};

/// One of the library's lists of options as flags, but for `threads`, which the command takes before its subcommands.
#[derive(Debug)]
pub struct Flags<T>(pub T);

impl<T: Target> Flags<T> {
    fn entries() -> impl Iterator<Item = &'static Entry<T>> {
        T::ENTRIES.iter().filter(|entry| entry.name != "threads")
    }

    /// The options that were set.
    pub fn given(matches: &ArgMatches) -> std::result::Result<Settings<T>, clap::Error> {
        let mut settings = Settings::<T>::default();
        let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        for entry in Self::entries().filter(|entry| given(entry.name)) {
            let text = matches.get_one::<String>(entry.name).map_or("", String::as_str);
            settings.set(entry.name, text).map_err(|error| refusal(&error))?;
        }
        Ok(settings)
    }
}

impl<T: Target> Args for Flags<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        Self::entries().map(flag).fold(command, clap::Command::arg)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<T: Target> FromArgMatches for Flags<T> {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        Ok(Self(Self::given(matches)?.build().map_err(|error| refusal(&error))?))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of one of the library's options: the meaning, and as further paragraphs who takes it, its range and a default that is
/// not one value.
pub fn flag<T: Target>(entry: &'static Entry<T>) -> Arg {
    let told = entry.describe();
    let dashed = entry.name.replace('_', "-");
    let arg = Arg::new(entry.name).long(dashed).value_name(told.kind.to_uppercase());
    let one_value = match entry.default {
        IfUnset::Value(_) => true,
        IfUnset::Rule(_) | IfUnset::RuleOf(_) => false,
        IfUnset::Brought(..) => told.other_defaults.is_empty() && entry.check(&told.default).is_ok(),
    };
    let meaning = told.meaning_and_takers();
    let mut long = meaning.clone();
    let arg = match &entry.kind {
        Kind::Name(names, _) => arg.value_parser(PossibleValuesParser::new(*names)),
        // `--name` alone switches on.
        Kind::Switch(_) => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"])),
        _ => {
            long += &format!("\n\nRange: {}.", told.range);
            arg.value_parser(move |text: &str| entry.check(text).map(|()| text.to_string()))
        }
    };
    let arg = if one_value {
        arg.default_value(told.default)
    } else {
        long += &format!("\n\nDefault: {}.", told.defaults());
        arg
    };
    arg.help(meaning).long_help(long)
}

/// The library's refusal of options that do not go together, as a usage error.
pub fn refusal(error: &chreode::Error) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, error)
}
