//! stub
#[derive(Clone, Debug, PartialEq, Copy)]
pub enum Sensitivity {
    Low,
    Normal,
    High,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub spike_threshold: f64,
    pub sensitivity: Sensitivity,
    pub posts_min: u32,
}
impl Default for Settings {
    fn default() -> Self {
        Self {
            spike_threshold: 3.0,
            sensitivity: Sensitivity::Normal,
            posts_min: 10,
        }
    }
}
