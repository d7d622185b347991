//! Enums whose values are called by name: in options, model files and listings.

/// `ALL`, `NAMES`, `as_str`, `FromStr` and `Display` of an enum.
macro_rules! named {
    ($type:ident, $what:literal, $($value:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// Their names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name, as the command line and the C interface spell it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::error::Error;

            fn from_str(name: &str) -> $crate::error::Result<Self> {
                let found = Self::ALL.iter().copied().find(|value| value.as_str() == name);
                found.ok_or_else(|| $crate::error::Error::argument($what, name, concat!("one of", $(" ", $name),+)))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use named;
