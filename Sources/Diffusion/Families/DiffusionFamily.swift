import ModelSpace

/// A family of models of diffusion: what fits, predictions and residuals need to know of it.
public protocol DiffusionFamily: ModelFamily, LinearFamily where Design == Acquisition, Frame == CanonicalFrame {
    /// Predicted attenuations, signal over S0, of all M volumes.
    func attenuations(_ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition, into out: UnsafeMutablePointer<Float>)
}

extension BallSticks: DiffusionFamily {}
extension CompartmentFamily: DiffusionFamily {}

extension DiffusionFamily {
    /// Places in θ of s0 and of the signal-to-noise ratio.
    public var noisePlaces: (s0: Int, snr: Int) {
        let layout = ThetaLayout(description), noise = description.noise
        func place(_ isScale: Bool) -> Int {
            let parameter = noise.parameters.first { ($0.chart == .scale) == isScale }
            return parameter.flatMap { layout.offset(of: $0.name, in: noise.name) } ?? 0
        }
        return (place(true), place(false))
    }
}
