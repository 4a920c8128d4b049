//! stub
use std::ops::Range;
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    start: u32,
    gaps: Vec<Range<u32>>,
}
impl Coverage {
    pub fn since(start: u32) -> Self {
        Self {
            start,
            gaps: vec![],
        }
    }
    pub fn start(&self) -> u32 {
        self.start
    }
    pub fn add_gap(&mut self, gap: Range<u32>) {
        self.gaps.push(gap)
    }
    pub fn covers(&self, b: u32) -> bool {
        b >= self.start && !self.gaps.iter().any(|g| g.contains(&b))
    }
    pub fn covered_in(&self, r: Range<u32>) -> u32 {
        r.filter(|&b| self.covers(b)).count() as u32
    }
    pub fn gaps(&self) -> &[Range<u32>] {
        &self.gaps
    }
}
