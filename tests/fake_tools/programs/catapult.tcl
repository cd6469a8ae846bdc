# EXSEOS-STAND-IN: the commands of Catapult's shell. They keep its state and check the order; catapult.py writes the reports.
namespace eval stand_in {
  variable stages {new analyze compile libraries assembly architect allocate schedule dpfsm extract switching power}
  variable at none
  variable project {}
  variable solution 0
  variable top {}
  variable version v1
  variable files {}
  variable libraries {}
  variable part {}
  variable clocks {}
  array set options {}
  array set directives {}
  variable flows {}
}

# As the real shell, it says where an error is; it has no stack to show.
proc stand_in::fail {text} {
  return -code error -level 2 $text
}

proc stand_in::state {} {
  variable project; variable top; variable version; variable files; variable clocks; variable part; variable at
  set period [expr {[dict exists $clocks -CLOCK_PERIOD] ? [dict get $clocks -CLOCK_PERIOD] : {}}]
  return [list $project $top $version $at $period $part {*}$files]
}

# catapult.py does a stage's work: 0 good, otherwise what it printed is the error.
proc stand_in::do {what} {
  if {[catch {exec $::stand_in_program --stand-in-stage $what {*}[state] >@stdout 2>@stderr} message result]} {
    # The stage's work is done in a process of its own; the shell ends as that did.
    if {[lindex [dict get $result -errorcode] 0] eq "CHILDKILLED"} {
      exit [expr {[lindex [dict get $result -errorcode] 2] eq "SIGKILL" ? 137 : 139}]
    }
    return -code error -level 2 "go $what: Failed $what"
  }
}

proc options {what args} {
  switch -- $what {
    set { if {[llength $args] < 2} { stand_in::fail "options set: wrong number of arguments" }
          if {![regexp {^/?(Input|Output|ComponentLibs|Message|Flows|Architectural|General|Project|Interface|Schedule|Cluster|Hardware)/} [lindex $args 0]]} {
            stand_in::fail "Invalid option path '[lindex $args 0]'" }
          if {[lindex $args end] eq "-append"} { lappend stand_in::options([lindex $args 0]) {*}[lindex $args 1] } else {
            set stand_in::options([lindex $args 0]) [lindex $args 1] } }
    get { expr {[info exists stand_in::options([lindex $args 0])] ? $stand_in::options([lindex $args 0]) : {}} }
    defaults - save - load {}
    default { stand_in::fail "options: invalid argument '$what'" }
  }
}

proc project {what args} {
  switch -- $what {
    new { if {[llength $args] && [lindex $args 0] ni {-name -directory}} { stand_in::fail "project new: invalid argument '[lindex $args 0]'" }
          set name [expr {[lindex $args 0] eq "-name" ? [lindex $args 1] : "Catapult"}]
          # A project that is there already is left alone: the new one gets the next number.
          set free $name
          for {set n 1} {[file exists $free]} {incr n} { set free ${name}_$n }
          file mkdir $free
          set stand_in::project $free
          set stand_in::at new
          puts "# Creating project directory '[file normalize $free]'. (PRJ-1)" }
    load { set file [lindex $args 0]
           if {![file exists $file]} { stand_in::fail "Couldn't find project file '$file'" }
           set stand_in::project [file rootname $file]
           set stand_in::at new
           puts "# Reading project file '$file'" }
    save { if {$stand_in::project eq ""} { stand_in::fail "No project is open" }
           set stream [open $stand_in::project.ccs w]
           puts $stream "# EXSEOS-STAND-IN project $stand_in::project"
           close $stream
           puts "# Saving project file '[file normalize $stand_in::project.ccs]'. (PRJ-5)" }
    close { set stand_in::project {} }
    get { return $stand_in::project }
    default { stand_in::fail "project: invalid argument '$what'" }
  }
}

proc solution {what args} {
  if {$stand_in::project eq ""} { project new }
  switch -- $what {
    file { if {[lindex $args 0] ne "add"} { return }
           set file [lindex $args 1]
           if {![file exists $file]} { stand_in::fail "Can't open file '$file' (CIN-1)" }
           if {[lsearch -exact $args -exclude] < 0 || ![string is true [lindex $args [expr {[lsearch -exact $args -exclude] + 1}]]]} {
             lappend stand_in::files $file } }
    library { switch -- [lindex $args 0] {
        add { set name [lindex $args 1]
              lappend stand_in::libraries $name
              set place [lsearch -exact $args -part]
              if {$place >= 0} { set stand_in::part [lindex $args [expr {$place + 1}]] }
              puts "# Info: Library '$name' added" }
        remove { set stand_in::libraries {} }
        default { stand_in::fail "solution library: invalid argument '[lindex $args 0]'" } } }
    options { options {*}$args }
    design { if {[lindex $args 0] eq "set"} { set stand_in::top [lindex $args 1] } }
    new { set stand_in::at new }
    get { switch -glob -- [lindex $args 0] {
        /TOP/name - -name { return $stand_in::top }
        /VERSION { return $stand_in::version }
        /CAT_DIR { return [file normalize $stand_in::project] }
        /HIERCONFIG/* { return [list $stand_in::top] }
        default { return {} } } }
    rename - table - timing - report - netlist {}
    default { stand_in::fail "solution: invalid argument '$what'" }
  }
}

proc directive {what args} {
  switch -- $what {
    set { set words [lsearch -all -inline -not -exact [lsearch -all -inline -not -exact $args -match] glob]
          if {[llength $words] < 2} { stand_in::fail "directive set: wrong number of arguments" }
          set name [string trimleft [lindex $words end-1] -]
          if {[string match {*[a-z]*} $name] && ![string match */* $name]} { stand_in::fail "Invalid directive '$name'" }
          if {$name eq "CLOCKS"} { set stand_in::clocks [lindex [lindex $words end] 1] }
          set stand_in::directives($name) [lindex $words end]
          puts "# /$name {[lindex $words end]}" }
    get { return {} }
    remove {}
    default { stand_in::fail "directive: invalid argument '$what'" }
  }
}

proc go {stage args} {
  set stages $stand_in::stages
  set aim [lsearch -exact $stages $stage]
  if {$aim < 0} { stand_in::fail "go: invalid state '$stage', must be one of: $stages" }
  if {$stand_in::project eq ""} { stand_in::fail "go $stage: no project is open" }
  if {$stage eq "new"} { set stand_in::at new; return }
  set here [lsearch -exact $stages $stand_in::at]
  if {$stage in {switching power} && $here < [lsearch -exact $stages extract]} {
    stand_in::fail "go $stage: the design must be in state 'extract', it is in state '$stand_in::at'" }
  # Going back means another run of the stage; going ahead runs those between, as in the real shell.
  set first [expr {$aim <= $here ? $aim : $here + 1}]
  foreach one [lrange $stages $first $aim] {
    if {$one eq "new" || ($one eq "switching" && $stage eq "power")} { continue }
    stand_in::enter $one
  }
}

proc stand_in::enter {stage} {
  variable at; variable files; variable libraries; variable clocks; variable top; variable version
  set number [lsearch -exact $stand_in::stages $stage]
  if {$stage eq "analyze" && ![llength $files]} { return -code error "go analyze: no input files are specified (CIN-4)" }
  if {$number >= [lsearch -exact $stand_in::stages libraries] && ![llength $libraries]} {
    return -code error "go $stage: no technology library is specified (LIB-114)" }
  if {$number >= [lsearch -exact $stand_in::stages assembly] && ![dict exists $clocks -CLOCK_PERIOD]} {
    return -code error "go $stage: no clock is specified (ASM-36)" }
  puts "# Info: Starting transformation '$stage' on solution '[expr {$top eq {} ? {solution} : $top}].$version' (SOL-8)"
  flush stdout
  if {$stage eq "analyze"} { set top [exec $::stand_in_program --stand-in-top {*}$files] }
  if {$stage eq "compile"} {
    for {set n 1} {[file exists $stand_in::project/$top.v$n]} {incr n} {}
    set version v$n
    file mkdir $stand_in::project/$top.$version
  }
  set at $stage
  do $stage
  puts "# Info: Completed transformation '$stage' on solution '$top.$version': elapsed time 0.10 seconds (SOL-9)"
  flush stdout
}

proc flow {what args} {
  switch -- $what {
    package { switch -- [lindex $args 0] {
        require { if {[lindex $args 1] ni {/SCVerify /HLS4ML /Vivado /VSCode /PowerAnalysis /DesignAnalyzer /QuestaSIM /OSCI /Precision}} {
                    stand_in::fail "Could not find flow package '[lindex $args 1]'" }
                  lappend stand_in::flows [lindex $args 1] }
        present { if {[lindex $args 1] ni $stand_in::flows} { stand_in::fail "Flow package '[lindex $args 1]' is not present" } }
        option {}
        default { stand_in::fail "flow package: invalid argument '[lindex $args 0]'" } } }
    run { set name [lindex $args 0]
          switch -glob -- $name {
            /SCVerify/launch_make { stand_in::do [expr {[string match *orig_cxx* [lindex $args 1]] ? {csim} : {cosim}}] }
            /Vivado/synthesize { stand_in::do vsynth }
            /HLS4ML/collect_reports { stand_in::do layers }
            /PowerAnalysis/* - /DesignAnalyzer/* - /Vivado/launch_package_ip {}
            default { stand_in::fail "Could not find flow '$name'" } } }
    get {}
    default { stand_in::fail "flow: invalid argument '$what'" }
  }
}

proc library {what args} {
  if {$what ne "get"} { stand_in::fail "library: invalid argument '$what'" }
  set families {xcvu?p VIRTEX-uplus xcvu* VIRTEX-u xcku*p* KINTEX-uplus xcku* KINTEX-u xczu* ZYNQ-uplus xc7z* ZYNQ xc7a* ARTIX-7 xc7k* KINTEX-7 xc7v* VIRTEX-7}
  if {![regexp {/PARAMETERS/(xc[^/*]+)/LIBRARIES} [lindex $args 0] all part]} { return {} }
  foreach {pattern family} [list xcvu*p-* VIRTEX-uplus xcku*p-* KINTEX-uplus {*}$families] {
    if {[string match $pattern $part]} {
      regexp -- {-([1-3])L?(-|$)} $part all speed
      if {![info exists speed]} { set speed 2 }
      set name mgc_Xilinx-$family-${speed}_beh
      if {[lindex $args end] eq "p"} {
        return /CONFIG/PARAMETERS/Vivado/PARAMETERS/Xilinx/PARAMETERS/$family/PARAMETERS/-$speed/PARAMETERS/$part/LIBRARIES/$name/NAME }
      return $name
    }
  }
  return {}
}

proc application {what args} {
  switch -- $what {
    get { if {[lindex $args 0] eq "/SYSTEM/ENV_MGC_HOME"} { return $::env(MGC_HOME) }; return {} }
    exit { exit }
    default { stand_in::fail "application: invalid argument '$what'" }
  }
}

proc logfile {what args} {
  switch -- $what {
    message { puts -nonewline "# [expr {[lindex $args 1] eq {} ? {Info} : [string totitle [lindex $args 1]]}]: [lindex $args 0]" }
    save - move - close {}
    default { stand_in::fail "logfile: invalid argument '$what'" }
  }
}

proc quit {args} { exit 0 }
proc dofile {file} { uplevel #0 [list source $file] }
foreach name {view utility cycle hier report netlist_view} { proc $name {args} {} }
rename unknown _unknown
proc unknown {args} { error "invalid command name \"[lindex $args 0]\"" }
fconfigure stdout -buffering line
