import ArgumentParser
import Diffusion
import Inference
import Networks

/// The option that says which kinds of noise a scan may have.
enum NoiseChoice: String, ExpressibleByArgument, CaseIterable {
    case auto, gaussian, either

    static let help: ArgumentHelp =
        """
        Noise: gaussian (real-valued images), either (magnitudes: each voxel decides between Gaussian and Rician), \
        auto (gaussian where many signals are negative).
        """

    func kinds(_ survey: SignalSurvey) -> NoiseKinds {
        switch self {
        case .auto: survey.isRealValued ? .gaussian : .either
        case .gaussian: .gaussian
        case .either: .either
        }
    }
}

extension NetworkOrigin {
    /// The acquisitions that the network was trained across; nil when its file does not say, or not so that it can be
    /// read.
    var mixture: ProtocolMixture? { try? Recipe(yaml: recipe, path: "the network's recipe").mixture }
}

extension NetworkFile {
    var mixture: ProtocolMixture? { origin.mixture }

    /// Whether the network was trained on acquisitions like this one; nil when that is not known. `warn` is told of
    /// what speaks against it.
    func covers(_ acquisition: Acquisition, warn: (String) -> Void) -> Bool? {
        guard let mixture else {
            warn(
                """
                The network's file does not say which acquisitions it was trained on: whether this is one of them \
                cannot be checked.
                """
            )
            return nil
        }
        let violations = mixture.rangeViolations(of: acquisition)
        for violation in violations { warn("Outside the range the network was trained on: " + violation) }
        return violations.isEmpty
    }
}
