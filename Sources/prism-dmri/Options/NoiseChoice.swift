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
}

extension FamilyChoice {
    /// Why an acquisition lies outside the range that a network was trained on, one sentence each; nil when its file
    /// does not say.
    func violations(of acquisition: Acquisition, _ network: NetworkFile) -> [String]? {
        network.mixture.map { mixture in
            mixture.rangeViolations(of: acquisition)
                + (known(to: network.origin).timedComponents.isEmpty ? [] : mixture.timingViolations(of: acquisition))
        }
    }

    /// Whether a network was trained on acquisitions like this one; nil when that is not known. `warn` is told of what
    /// speaks against it.
    func covers(_ acquisition: Acquisition, _ network: NetworkFile, warn: (String) -> Void) -> Bool? {
        guard let violations = violations(of: acquisition, network) else {
            warn(
                """
                The network's file does not say which acquisitions it was trained on: whether this is one of them \
                cannot be checked.
                """
            )
            return nil
        }
        for violation in violations { warn("Outside the range the network was trained on: " + violation) }
        return violations.isEmpty
    }
}
