//! stub
use super::coverage::Coverage;
use super::settings::Settings;
#[derive(Clone, Debug)]
pub struct Detector;
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeError;
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    pub onset: u32,
    pub window_minutes: u32,
    pub observed: u32,
    pub expected: f64,
    pub growth: f64,
    pub score: f64,
}
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Opened(Alarm),
    Closed { peak: u32, end: u32 },
    Recurring(Alarm),
}
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    Unknown,
    Normal,
    Rising,
    Spike,
}
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub bucket: u32,
    pub observed: u32,
    pub expected: f64,
    pub growth: f64,
    pub score: f64,
    pub rarity: f64,
    pub state: State,
    pub onset: Option<u32>,
    pub change: Option<Change>,
}
impl Detector {
    pub fn new(_w: u32, _s: u32) -> Self {
        Detector
    }
    pub fn observe(
        &mut self,
        _b: u32,
        _o: u32,
        _c: &Coverage,
        _s: &Settings,
        _out: &mut impl FnMut(Reading),
    ) {
    }
    pub fn catch_up(
        &mut self,
        _u: u32,
        _c: &Coverage,
        _s: &Settings,
        _out: &mut impl FnMut(Reading),
    ) {
    }
    pub fn is_idle(&self) -> bool {
        true
    }
    pub fn peek(&self, bucket: u32, _c: &Coverage, _s: &Settings) -> Reading {
        Reading {
            bucket,
            observed: 0,
            expected: 0.,
            growth: 0.,
            score: 0.,
            rarity: 0.,
            state: State::Normal,
            onset: None,
            change: None,
        }
    }
    pub fn last_fed(&self) -> Option<u32> {
        None
    }
    pub fn encode(&self) -> Vec<u8> {
        vec![]
    }
    pub fn decode(_b: &[u8]) -> Result<Self, DecodeError> {
        Ok(Detector)
    }
}
