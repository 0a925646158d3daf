import ModelSpace

/// A family of models of diffusion: what fits, predictions and residuals need to know of it.
public protocol DiffusionFamily: ModelFamily, LinearFamily where Design == Acquisition, Frame == CanonicalFrame {
    /// Predicted attenuations, signal over S0, of all M volumes.
    func attenuations(_ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition, into out: UnsafeMutablePointer<Float>)
}

extension BallSticks: DiffusionFamily {}
extension CompartmentFamily: DiffusionFamily {}
