//! The commands about who may use the management side: users and API tokens.

use clap::{Args, Subcommand, ValueEnum};

use super::Ask;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user; the password is asked for, or read from standard input
    #[command(after_help = "Examples:
  hatchery user add anna --role admin
  pass show hatchery/ben | hatchery user add ben --role operator")]
    Add(UserAdd),
    /// List every user
    #[command(after_help = "Examples:
  hatchery user list
  hatchery user list --json | jq -r '.[].name'")]
    List(Ask),
    /// Remove a user; whoever is logged in by that name is logged out
    #[command(after_help = "The last admin cannot be removed.

Example:
  hatchery user remove ben")]
    Remove(OneUser),
    /// Give a user another password; it is asked for, or read from standard input
    #[command(after_help = "Examples:
  hatchery user password anna
  pass show hatchery/ben | hatchery user password ben")]
    Password(OneUser),
    /// Give a user another role
    #[command(after_help = "The last admin stays one.

Example:
  hatchery user role ben admin")]
    Role(UserRole),
}

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Look at everything that is no secret.
    Viewer,
    /// Run the room: names, batches, machines, images.
    Operator,
    /// Everything, users and tokens too.
    Admin,
}

impl Role {
    /// The word that the server knows.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

/// Arguments of `user add`.
#[derive(Debug, Args)]
pub struct UserAdd {
    #[command(flatten)]
    pub one: OneUser,
    /// What they may do
    #[arg(long, value_enum, default_value = "viewer", value_name = "ROLE")]
    pub role: Role,
}

/// Arguments of `user role`.
#[derive(Debug, Args)]
pub struct UserRole {
    #[command(flatten)]
    pub one: OneUser,
    /// What they may do from now on
    #[arg(value_enum)]
    pub role: Role,
}

/// A user.
#[derive(Debug, Args)]
pub struct OneUser {
    /// The name
    pub name: String,
    #[command(flatten)]
    pub ask: Ask,
}

/// What to do with API tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token; it is shown once
    #[command(after_help = "A program sends it as `Authorization: Bearer TOKEN`.

Examples:
  hatchery token add dashboard
  hatchery token add order-desk --role operator --scope names,batches --days 365")]
    Add(TokenAdd),
    /// List every token, and when it was last used
    #[command(after_help = "Examples:
  hatchery token list
  hatchery token list --json | jq '.[] | select(.last_used_at == null)'")]
    List(Ask),
    /// Remove a token, by its number
    #[command(after_help = "Example:
  hatchery token remove 3")]
    Remove(OneToken),
}

/// Arguments of `token add`.
#[derive(Debug, Args)]
pub struct TokenAdd {
    /// What it is for
    pub name: String,
    /// What its bearer may do
    #[arg(long, value_enum, default_value = "viewer", value_name = "ROLE")]
    pub role: Role,
    /// Only for these of what the role allows: read, machines, names, batches, images, server, people; without, all of it
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    pub scope: Vec<String>,
    /// After how many days it ends; without, it does not
    #[arg(long, value_name = "N")]
    pub days: Option<u32>,
    #[command(flatten)]
    pub ask: Ask,
}

/// A token.
#[derive(Debug, Args)]
pub struct OneToken {
    /// Its number
    pub id: i64,
    #[command(flatten)]
    pub ask: Ask,
}
