//! A table whose cells are wrapped to fit a width.

use crate::terminal::markdown::words::{Line, Words};
use crate::terminal::style::{Paint, Style};

/// The space between columns.
const GAP: &str = "  ";

/// Rows of cells; the first row is the head.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<Words>>,
    row: Vec<Words>,
}

impl Table {
    pub fn cell(&mut self, words: Words) {
        self.row.push(words);
    }

    pub fn end_row(&mut self) {
        self.rows.push(std::mem::take(&mut self.row));
    }

    /// Renders the table as lines.
    pub fn render(&self, width: usize, paint: Paint) -> String {
        let widths = self.widths(width);
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<Vec<Line>> = row.iter().zip(&widths).map(|(cell, width)| cell.wrap(*width, paint)).collect();
            for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                let mut columns = String::new();
                for (cell, width) in cells.iter().zip(&widths) {
                    let (part, used) = cell.get(line).map_or(("", 0), |line| (&line.text[..], line.width));
                    columns.push_str(&format!("{part}{}{GAP}", " ".repeat(width.saturating_sub(used))));
                }
                text.push_str(columns.trim_end());
                text.push('\n');
            }
            if number == 0 {
                let heads = self.rows[0].iter().zip(&widths).map(|(_, width)| "─".repeat(*width));
                text.push_str(&paint.apply(Style::Faint, heads.collect::<Vec<_>>().join(GAP)));
                text.push('\n');
            }
        }
        text
    }

    /// Computes the widths of the columns: as wide as the cells need; if that is too much, the widest columns are
    /// narrowed, but not below their longest word.
    fn widths(&self, width: usize) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let most = |measure: fn(&Words) -> usize| -> Vec<usize> {
            let of_column = |column| self.rows.iter().filter_map(|row| row.get(column)).map(measure).max().unwrap_or(0);
            (0..columns).map(of_column).collect()
        };
        let (mut widths, least) = (most(Words::width), most(Words::longest));
        let gaps = GAP.len() * columns.saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let shrinkable = (0..columns).filter(|column| widths[*column] > least[*column]);
            let Some(widest) = shrinkable.max_by_key(|column| widths[*column]) else { break };
            widths[widest] -= 1;
        }
        widths
    }
}
