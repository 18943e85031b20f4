"""What was asked, found and kept?"""
