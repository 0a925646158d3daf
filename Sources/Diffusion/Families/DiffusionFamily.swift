import ModelSpace

/// A family of models of diffusion: what fits, predictions and residuals need to know of it.
public protocol DiffusionFamily: ModelFamily, LinearFamily where Design == Acquisition, Frame == CanonicalFrame {
    /// All that makes the family what it is, in JSON; nil for one that its name says.
    var definition: String? { get }

    /// Whether some of its signals depend on δ and Δ.
    var needsTiming: Bool { get }

    /// The family without them; nil where there are none, or nothing is left.
    var untimed: Self? { get }

    /// What its users call its numbers and structures.
    var words: FamilyWords { get }

    /// Which of a structure's coordinates are one number each, whose prior is about standard normal: all but those of
    /// axes and rotations, which are dyads. Rising.
    func numberCoordinates(_ z: Structure) -> [Int]

    /// Its kernels, which can be told of other designs.
    func diffusionKernels(_ design: Acquisition) -> any DiffusionKernels

    /// Predicted attenuations, signal over S0, of all M volumes.
    func attenuations(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition, into out: UnsafeMutablePointer<Float>)
}

/// Attenuations for the exact engines that go on to another design: what an engine has learnt of its structures stays.
public protocol DiffusionKernels: SignalKernels {
    /// - Parameter design: of as many measurements as the one before.
    func take(_ design: Acquisition)
}

extension DiffusionFamily {
    public func kernels(_ design: Acquisition) -> any SignalKernels { diffusionKernels(design) }
}

extension BallSticks: DiffusionFamily {
    public var definition: String? { nil }
    public var words: FamilyWords { .none }
    public var needsTiming: Bool { false }
    public var untimed: BallSticks? { nil }
    public func numberCoordinates(_ z: Structure) -> [Int] {
        let mask = coordinateMask(z)
        return mask.indices.filter { mask[$0] != 0 && !(4..<10).contains($0 % coordinateCount) }
    }
}

extension CompartmentFamily: DiffusionFamily {
    public var definition: String? {
        do { return try composition.json() } catch { preconditionFailure("a composition is always JSON: \(error)") }
    }
    public func numberCoordinates(_ z: Structure) -> [Int] {
        let c = known(z).coordinates
        return (c.scalars + c.weights.map(\.coordinate) + [c.snr, c.s0]).sorted()
    }
}
