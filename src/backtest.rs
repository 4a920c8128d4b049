//! stub
#[derive(Debug, clap::Args)]
pub struct Args {}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Error;
impl Error {
    pub fn exit_code(&self) -> u8 {
        2
    }
}
pub fn run(_a: &Args, _o: &mut dyn std::io::Write) -> Result<(), Error> {
    Ok(())
}
