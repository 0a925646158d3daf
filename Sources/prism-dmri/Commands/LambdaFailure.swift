import CommandLineSupport

/// Why no λ can be told.
enum LambdaFailure: CommandFailure {
    case noCommand(fit: String), chain(fit: String), noScan(fit: String, scan: String)
    case otherScan(fit: String, scan: String), tooFew(scan: String, volumes: Int)
    case otherGrid(String, String), otherFamily(String, String)

    var exitStatus: ExitStatus {
        switch self {
        case .noCommand, .noScan: .missingInput
        case .chain: .usage
        case .otherScan, .tooFew, .otherGrid, .otherFamily: .badData
        }
    }

    var description: String {
        switch self {
        case .noCommand(let fit):
            "\(fit)/fit.json does not tell a 'fit' command that could be taken up (it was merged, or made by bids); "
                + "name the scan itself: prism-dmri lambda dwi.nii.gz"
        case .chain(let fit):
            "\(fit) was made by --engine mcmc, which knows no λ; name the scan itself: prism-dmri lambda dwi.nii.gz"
        case .noScan(let fit, let scan):
            "The scan of \(fit), \(scan), is not there; go to the folder that it was fitted from, or name the scan "
                + "itself"
        case .otherScan(let fit, let scan):
            "\(scan) or its mask or table is not what \(fit) was made from; name the scan itself"
        case .tooFew(let scan, let volumes):
            "\(scan) has too few directions to be split (\(volumes) volumes): each half needs six and a b=0 volume"
        case .otherGrid(let a, let b):
            "\(a) and \(b) do not share a grid and voxels; bring the scans onto one grid before they are fitted"
        case .otherFamily(let a, let b): "\(a) and \(b) are of different families; fit both scans with one"
        }
    }
}
