import ArgumentParser
import CommandLineSupport
import Inference
import Volumes

/// The map of `--noise-map`.
enum NoiseMap {
    /// Reads σ in the mask's voxels; `warn` is told of those that have none.
    static func read(_ path: String, mask: Mask, of dwi: String, warn: (String) -> Void) throws -> IndependentNoise {
        let values = try mask.values(path: path, of: dwi), missing = values.count { $0 == 0 }
        guard missing < values.count else { throw NoiseMapError.empty(path: path) }
        if missing > 0 {
            warn(
                """
                \(path) holds no value above 0 in \(missing) of \(values.count) voxels of the mask: there the fitted \
                noise is held against nothing.
                """
            )
        }
        return IndependentNoise(.init(.map), values: values)
    }
}

enum NoiseMapError: CommandFailure {
    case empty(path: String)

    var exitStatus: ExitStatus { .badData }

    var description: String {
        switch self {
        case .empty(let path):
            """
            \(path) holds no finite value above 0 within the mask; give the standard deviation of the noise in the \
            scan's units, or leave out --noise-map to have it estimated
            """
        }
    }
}

extension KnownNoise {
    static let help: ArgumentHelp = """
        Take the noise of --noise-map, or the estimate from the scan, as known instead of fitting it. Only for scans \
        whose residuals are noise: where they hold more (motion, eddy currents, tissue), the excess is called fibres.
        """
}
