import CommandLineSupport
import Diffusion

/// What can be wrong with how an image and its table belong together.
enum InputFailure: CommandFailure {
    /// A table that is neither named nor beside the image.
    case noTable(dwi: String, missing: String, what: String, option: String)
    /// A table that was read and is not usable with the image.
    case badTable(files: [String], error: GradientTableError)
    /// A table in the scanner's frame for an image that does not say where that is.
    case unplaced(dwi: String)

    var exitStatus: ExitStatus { if case .noTable = self { .missingInput } else { .badData } }

    var description: String {
        switch self {
        case .noTable(let dwi, let missing, let what, let option):
            "No \(what) for \(dwi): there is no \(missing) beside it; name the file with \(option)"
        case .badTable(let files, let error):
            files.joined(separator: ", ") + ": \(error)"
        case .unplaced(let dwi):
            """
            \(dwi) does not say how its axes lie in the scanner (both form codes are 0), so directions in the \
            scanner's frame (--grad) have no meaning for it; give --bvals and --bvecs, or repair the image's orientation
            """
        }
    }
}
