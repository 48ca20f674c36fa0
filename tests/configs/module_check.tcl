#!/usr/bin/env tclsh
# Loads a modulefile with stand-ins for the commands of Environment Modules:  module_check.tcl FILE
set paths {}
proc module-whatis {text} { global whatis; set whatis $text }
proc conflict {args} {}
proc prepend-path {name value} { global paths; lappend paths $name $value }

set file [open [lindex $argv 0]]
if {![string match "#%Module*" [gets $file]]} { puts stderr "the first line is not #%Module"; exit 1 }
close $file
source [lindex $argv 0]
ModulesHelp

set expected {PATH /opt/rankpool/bin CMAKE_PREFIX_PATH /opt/rankpool PKG_CONFIG_PATH /opt/rankpool/lib/pkgconfig}
if {$paths ne $expected} { puts stderr "it sets $paths"; exit 1 }
if {![info exists whatis]} { puts stderr "it does not say what it is"; exit 1 }
