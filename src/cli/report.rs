//! `hatchery report`.

use clap::Args;

use super::Ask;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub ask: Ask,
    /// The first day, or a time; 30 days before the end if not given
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// The last day, or a time; now if not given
    #[arg(long, value_name = "DAY")]
    pub to: Option<String>,
    /// Only of this product
    #[arg(long, value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Only at this venue
    #[arg(long, value_name = "CODE")]
    pub venue: Option<String>,
    /// Only of this image, by the name of its file
    #[arg(long, value_name = "FILE")]
    pub image: Option<String>,
    /// Print every number as a line of CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}
